"""Foreign tables: what is said about a value that does not belong there."""

import pytest

from edgescale.errors import RecipeError
from edgescale.family.fields import Fields


@pytest.mark.parametrize(
    ("value", "said"), [(3, "got an int"), ("x", "got a str"), (None, "got nothing")]
)
def test_what_is_no_table_is_named_with_its_article(value: object, said: str) -> None:
    with pytest.raises(RecipeError, match=f"^data: expected a table of named values, {said}$"):
        Fields(value, "data", RecipeError)


def test_unknown_keys_can_be_refused_before_any_is_taken() -> None:
    fields = Fields({"foldr": "x"}, "data", RecipeError)
    with pytest.raises(RecipeError, match="unknown key 'foldr', did you mean 'folder'"):
        fields.refuse_unknown(("folder", "dataset"))
    fields.refuse_unknown(("foldr",))
