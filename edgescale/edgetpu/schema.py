"""The TFLite schema as this package needs it: names by number, and where the fields stand.

The reader that ai_edge_litert carries is generated from the same schema, but importing it imports
numpy (140 ms of CPU) and loads the runtime, which a look into a file must not cost. Numbers and
slots of a FlatBuffer schema never change; a test holds these tables against the generated reader.
Source: tensorflow/lite/schema/schema.fbs, version 3.
"""

from collections.abc import Mapping
from struct import calcsize, unpack_from
from typing import Any, NamedTuple

from edgescale.edgetpu.flatbuffer_table import Table

_OPERATOR_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM
CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE
SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE
POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE
RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL
REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE
MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM
CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND
HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
_TYPE_NAMES = """
float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64
resource variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2
"""
OPERATORS = dict(enumerate(_OPERATOR_NAMES.split()))
TYPES = dict(enumerate(_TYPE_NAMES.split()))
ACTIVATIONS = dict(enumerate(("none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")))


class Field(NamedTuple):
    """A number in a table of options: its slot, its form for ``struct``, its default."""

    slot: int
    form: str = "<b"
    default: int = 0


class Options(NamedTuple):
    """The table of options that goes with an operator: its number in the union, its fields."""

    number: int
    fields: Mapping[str, Field]


def _strided(**more: Field) -> dict[str, Field]:
    return {"stride_w": Field(1, "<i"), "stride_h": Field(2, "<i"), **more}


_POOLING = Options(5, _strided(
    kernel_w=Field(3, "<i"), kernel_h=Field(4, "<i"), activation=Field(5)
))  # fmt: skip
_REDUCER = Options(27, {"keep_dims": Field(0)})
OPTIONS = {
    "CONV_2D": Options(1, _strided(
        activation=Field(3), dilation_w=Field(4, "<i", 1), dilation_h=Field(5, "<i", 1))),
    "DEPTHWISE_CONV_2D": Options(2, _strided(
        activation=Field(4), dilation_w=Field(5, "<i", 1), dilation_h=Field(6, "<i", 1))),
    "TRANSPOSE_CONV": Options(49, _strided(activation=Field(3))),
    "AVERAGE_POOL_2D": _POOLING,
    "MAX_POOL_2D": _POOLING,
    "FULLY_CONNECTED": Options(8, {"activation": Field(0), "weights_format": Field(1)}),
    "ADD": Options(11, {"activation": Field(0)}),
    "SUB": Options(28, {"activation": Field(0)}),
    "MUL": Options(21, {"activation": Field(0)}),
    "L2_NORMALIZATION": Options(12, {"activation": Field(0)}),
    "CONCATENATION": Options(10, {"axis": Field(0, "<i"), "activation": Field(1)}),
    "PACK": Options(59, {"axis": Field(1, "<i")}),
    "MEAN": _REDUCER, "SUM": _REDUCER, "REDUCE_MAX": _REDUCER, "REDUCE_MIN": _REDUCER,
    "RESIZE_BILINEAR": Options(15, {"align_corners": Field(2), "half_pixel_centers": Field(3)}),
    "RESIZE_NEAREST_NEIGHBOR": Options(
        74, {"align_corners": Field(0), "half_pixel_centers": Field(1)}),
    "STRIDED_SLICE": Options(32, {
        "ellipsis_mask": Field(2, "<i"), "new_axis_mask": Field(3, "<i")}),
}  # fmt: skip


class TfliteTable(Table):
    """A table of a ``.tflite`` file; slots are those of ``schema.fbs``."""

    def number(self, field: Field) -> int:
        """Returns a whole number, its default where the table leaves it out."""
        return self._scalar(field.slot, field.form, field.default)

    def length(self, slot: int) -> int:
        """Returns how many items a vector of any kind says it has, unchecked."""
        place = self._place(slot)
        start = None if place is None else self._follow(place)
        if start is None:
            return 0
        if start + 4 > len(self._content):
            raise ValueError("a vector leads out of the file")
        found: int = unpack_from("<I", self._content, start)[0]
        return found

    def ints(self, slot: int, form: str = "i") -> tuple[int, ...]:
        """Returns a vector of whole numbers; empty where there is none."""
        return self._vector(slot, form)

    def floats(self, slot: int) -> tuple[float, ...]:
        """Returns a vector of 32-bit floats, infinity and NaN among them."""
        return self._vector(slot, "f")

    def _vector(self, slot: int, form: str) -> tuple[Any, ...]:
        place = self._place(slot)
        if place is None:
            return ()
        start, length = self._follow(place) + 4, self.length(slot)
        if start + length * calcsize(f"<{form}") > len(self._content):
            raise ValueError("a vector leads out of the file")
        return unpack_from(f"<{length}{form}", self._content, start)
