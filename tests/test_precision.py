import pytest

from genconv_tf import GenerativeConvNet, precision

LAYERS = [{"filters": 2, "kernel": 3}]


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("flags\t\t: fpu sse2 avx2 fma avx512f avx512_bf16", True),
        ("processor : 0\nmodel name : made\nflags : avx2 amx_bf16 amx_tile\nbugs : none", True),
        ("flags\t\t: fpu sse2 avx2 fma", False),
        ("Features : fp asimd bf16", False),
        ("", False),
    ],
)
def test_units_are_read_from_the_flags_of_the_processor(flags, expected):
    assert precision.has_bfloat16_units(flags) == expected


@pytest.mark.parametrize("fastest", ["float32", "bfloat16"])
def test_auto_is_what_the_machine_is_fast_at(monkeypatch, fastest):
    monkeypatch.setattr(precision, "_fastest", lambda: fastest)
    model = GenerativeConvNet(LAYERS, size=16, precision="auto")
    assert model.networks[0].compute_dtype == fastest
    assert model.networks[0].variable_dtype == "float32"
    assert model.get_config()["precision"] == "auto"  # the next machine may be another one


def test_an_unknown_one_is_refused():
    with pytest.raises(ValueError, match="Expected a precision of"):
        GenerativeConvNet(LAYERS, size=16, precision="float16")
