"""The tables of names and slots are those of the schema that ai_edge_litert carries."""

import inspect
import re
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as generated  # noqa: TID253 - what is compared

from edgescale.edgetpu import schema

# What our names of options are called in the generated reader.
ACCESSORS = {
    "stride_w": "StrideW", "stride_h": "StrideH", "kernel_w": "FilterWidth",
    "kernel_h": "FilterHeight", "activation": "FusedActivationFunction",
    "dilation_w": "DilationWFactor", "dilation_h": "DilationHFactor",
    "weights_format": "WeightsFormat", "axis": "Axis", "keep_dims": "KeepDims",
    "align_corners": "AlignCorners", "half_pixel_centers": "HalfPixelCenters",
    "ellipsis_mask": "EllipsisMask", "new_axis_mask": "NewAxisMask",
}  # fmt: skip
FORMS = {"Int32": "<i", "Int8": "<b", "Bool": "<b"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(schema.OPERATORS, generated.BuiltinOperator, id="operators"),
        pytest.param(schema.TYPES, generated.TensorType, id="types"),
        pytest.param(schema.ACTIVATIONS, generated.ActivationFunctionType, id="activations"),
    ],
)
def test_numbers_have_the_schemas_names(ours: dict[int, str], theirs: Any) -> None:
    names = {number: name for name, number in vars(theirs).items() if not name.startswith("_")}
    # A newer schema may know more; what both know must be the same.
    assert {number: ours[number].upper() for number in names if number in ours} == {
        number: name for number, name in names.items() if number in ours
    }
    assert len(set(ours) & set(names)) > len(names) // 2


@pytest.mark.parametrize("operator", schema.OPTIONS)
def test_options_stand_where_the_schema_puts_them(operator: str) -> None:
    options = schema.OPTIONS[operator]
    names = {number: name for name, number in vars(generated.BuiltinOptions).items()}
    table = getattr(generated, names[options.number])
    for option, field in options.fields.items():
        source = inspect.getsource(getattr(table, ACCESSORS[option]))
        offset, form, default = (
            re.search(pattern, source)
            for pattern in (
                r"Offset\((\d+)\)",
                r"number_types\.(\w+)Flags, o \+",
                r"return (-?\d+|False)$",
            )
        )
        assert offset is not None
        assert form is not None
        assert field.slot == (int(offset[1]) - 4) // 2
        assert field.form == FORMS[form[1]]
        found = default[1] if default is not None else "0"
        assert field.default == (0 if found == "False" else int(found))
