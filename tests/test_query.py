"""Queries of samples as files."""

import pytest

from genconv_tf.serving import Refused, query

SOUND = {"rank": 1, "size": [66150], "least_size": [512], "preprocessing": {"rate": 11025}}
VIDEO = {"rank": 3, "size": [64, 80, 80], "least_size": [8, 16, 16], "preprocessing": {"rate": 25}}


@pytest.mark.parametrize(
    ("meta", "params", "size"),
    [(SOUND, {}, [66150]), (SOUND, {"seconds": "2.5"}, [27562]), (VIDEO, {}, [64, 80, 80]),
     (VIDEO, {"size": "40"}, [64, 40, 40]), (VIDEO, {"size": "40x60", "frames": "9"}, [9, 40, 60])],
)  # fmt: skip
def test_a_query_names_sizes_as_the_command_does(meta, params, size):
    assert query.parse({**params, "seed": "-3", "steps": "4"}, meta) == (size, -3, 4, None)
    assert query.parse({**params, "until": "7"}, meta)[-1] == 7


@pytest.mark.parametrize(
    ("meta", "params"),
    [(SOUND, {"seconds": "nan"}), (SOUND, {"seconds": "-1"}), (SOUND, {"seconds": "1e300"}),
     (SOUND, {"seconds": "0.001"}), (SOUND, {"size": "5"}), (VIDEO, {"frames": "7"}),
     (VIDEO, {"size": "40x40x40"}), (VIDEO, {"seconds": "1"}), (VIDEO, {"until": "-1"})],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(meta, params):
    with pytest.raises(Refused, match="Expected") as caught:
        query.parse(params, meta)
    assert caught.value.status == 400
