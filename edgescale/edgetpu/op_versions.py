"""Which operators an Edge TPU takes, and up to which version the compiler can parse them.

Two different things refuse an operator: the compiler's list (it then runs on the CPU) and the
TFLite parser inside the compiler (nothing is compiled then).
"""

# Coral's list for compiler 16 (coral.ai/docs/edgetpu/models-intro), by TFLite's names.
ON_EDGE_TPU = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "EXPAND_DIMS",
    "FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "LSTM", "MAXIMUM", "MAX_POOL_2D", "MEAN",
    "MINIMUM", "MUL", "PACK", "PAD", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU",
    "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT",
    "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip

# Every operator that TensorFlow 2.5.3's interpreter takes, with the newest version, measured by
# asking it for every version of every operator (files of one operator; "Didn't find op for builtin
# opcode", and from number 140 on "Op builtin_code out of range"). Compiler 16 has a parser of that
# time: it refuses CONV_2D 6 (google-coral/edgetpu#631), QUANTIZE 3 (#879), TRANSPOSE_CONV 4 (#845)
# and operator 151 (#862), as TensorFlow 2.5.3 does.
NEWEST_VERSION = {
    "ABS": 3, "ADD": 3, "ADD_N": 1, "ARG_MAX": 2, "ARG_MIN": 2, "AVERAGE_POOL_2D": 3,
    "BATCH_MATMUL": 4, "BATCH_TO_SPACE_ND": 3, "BIDIRECTIONAL_SEQUENCE_LSTM": 3,
    "BIDIRECTIONAL_SEQUENCE_RNN": 3, "BROADCAST_TO": 3, "CALL_ONCE": 1, "CAST": 1, "CEIL": 1,
    "COMPLEX_ABS": 1, "CONCATENATION": 3, "CONV_2D": 5, "CONV_3D": 1, "COS": 1, "CUMSUM": 1,
    "DENSIFY": 1, "DEPTHWISE_CONV_2D": 6, "DEPTH_TO_SPACE": 2, "DEQUANTIZE": 4, "DIV": 2, "ELU": 1,
    "EMBEDDING_LOOKUP": 3, "EMBEDDING_LOOKUP_SPARSE": 1, "EQUAL": 3, "EXP": 1, "EXPAND_DIMS": 1,
    "FAKE_QUANT": 2, "FILL": 3, "FLOOR": 1, "FLOOR_DIV": 2, "FLOOR_MOD": 1, "FULLY_CONNECTED": 9,
    "GATHER": 5, "GATHER_ND": 3, "GREATER": 2, "GREATER_EQUAL": 2, "HARD_SWISH": 1, "HASHTABLE": 1,
    "HASHTABLE_FIND": 1, "HASHTABLE_IMPORT": 1, "HASHTABLE_LOOKUP": 1, "HASHTABLE_SIZE": 1,
    "IF": 1, "IMAG": 1, "L2_NORMALIZATION": 2, "L2_POOL_2D": 1, "LEAKY_RELU": 2, "LESS": 2,
    "LESS_EQUAL": 2, "LOCAL_RESPONSE_NORMALIZATION": 1, "LOG": 1, "LOGICAL_AND": 1,
    "LOGICAL_NOT": 1, "LOGICAL_OR": 1, "LOGISTIC": 3, "LOG_SOFTMAX": 2, "LSH_PROJECTION": 1,
    "LSTM": 4, "MATRIX_DIAG": 1, "MATRIX_SET_DIAG": 1, "MAXIMUM": 4, "MAX_POOL_2D": 3, "MEAN": 3,
    "MINIMUM": 4, "MIRROR_PAD": 2, "MUL": 4, "NEG": 1, "NON_MAX_SUPPRESSION_V4": 1,
    "NON_MAX_SUPPRESSION_V5": 1, "NOT_EQUAL": 3, "ONE_HOT": 1, "PACK": 3, "PAD": 3, "PADV2": 3,
    "POW": 1, "PRELU": 1, "QUANTIZE": 2, "RANGE": 1, "RANK": 1, "REAL": 1, "REDUCE_ANY": 1,
    "REDUCE_MAX": 3, "REDUCE_MIN": 3, "REDUCE_PROD": 1, "RELU": 3, "RELU6": 3, "RELU_N1_TO_1": 1,
    "RESHAPE": 1, "RESIZE_BILINEAR": 4, "RESIZE_NEAREST_NEIGHBOR": 4, "REVERSE_SEQUENCE": 1,
    "REVERSE_V2": 3, "RFFT2D": 1, "RNN": 3, "ROUND": 1, "RSQRT": 2, "SCATTER_ND": 1,
    "SEGMENT_SUM": 1, "SELECT": 2, "SELECT_V2": 1, "SHAPE": 1, "SIN": 1, "SKIP_GRAM": 1,
    "SLICE": 5, "SOFTMAX": 3, "SPACE_TO_BATCH_ND": 3, "SPACE_TO_DEPTH": 2, "SPARSE_TO_DENSE": 3,
    "SPLIT": 4, "SPLIT_V": 2, "SQRT": 1, "SQUARE": 1, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 2,
    "STRIDED_SLICE": 5, "SUB": 5, "SUM": 2, "SVDF": 4, "TANH": 3, "TILE": 2, "TOPK_V2": 2,
    "TRANSPOSE": 5, "TRANSPOSE_CONV": 3, "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    "UNIDIRECTIONAL_SEQUENCE_RNN": 3, "UNIQUE": 1, "UNPACK": 4, "WHERE": 1, "WHILE": 1,
    "ZEROS_LIKE": 1,
}  # fmt: skip

# Custom operators that TensorFlow 2.5.3's interpreter resolves, measured in the same way; the first
# stays on the CPU (compile log in tensorflow/models#10695). All others are refused with the file,
# those of TensorFlow itself ("Flex...") among them (google-coral/edgetpu#479, #718).
KNOWN_CUSTOM = frozenset({
    "TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc", "NumericVerify",
})  # fmt: skip

# Instead of an operator that is not in the list.
INSTEAD = {
    "HARD_SWISH": "use RELU6 in its place and train again",
    "BATCH_MATMUL": "use FULLY_CONNECTED or CONV_2D with constant weights",
    "LEAKY_RELU": "use RELU, RELU6 or PRELU and train again",
    "ELU": "use RELU or RELU6 and train again",
    "GELU": "use RELU or RELU6 and train again",
    "DIV": "multiply by the reciprocal of a constant",
    "SHAPE": "convert with a fixed batch of 1, which leaves no shape to compute",
    "ARG_MAX": "let the model end before it and find the largest score in the program",
}

# Inputs that must be constant when the model is compiled: place and what stands there.
PARAMETERS = {
    "CONV_2D": {1: "weights", 2: "bias"},
    "DEPTHWISE_CONV_2D": {1: "weights", 2: "bias"},
    "FULLY_CONNECTED": {1: "weights", 2: "bias"},
    "TRANSPOSE_CONV": {0: "output shape", 1: "weights", 3: "bias"},
    "PRELU": {1: "alpha"},
    "MEAN": {1: "axes"}, "SUM": {1: "axes"}, "REDUCE_MAX": {1: "axes"}, "REDUCE_MIN": {1: "axes"},
    "PAD": {1: "paddings"},
    "RESHAPE": {1: "shape"},
    "RESIZE_BILINEAR": {1: "size"}, "RESIZE_NEAREST_NEIGHBOR": {1: "size"},
    "SLICE": {1: "begin", 2: "size"},
    "STRIDED_SLICE": {1: "begin", 2: "end", 3: "strides"},
    "SPLIT": {0: "axis"},
    "TRANSPOSE": {1: "permutation"},
    "EXPAND_DIMS": {1: "axis"},
}  # fmt: skip
