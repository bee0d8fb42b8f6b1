"""Some of a source's pictures."""

import numpy as np
from toys import drawn, write_pictures

from mifid.images import open_images
from mifid.images.decoding import decode
from mifid.images.source import Subset


def test_a_subset_is_the_chosen_pictures_under_their_names(tmp_path):
    pictures = drawn("photo", 4)
    source = open_images(write_pictures(tmp_path / "all", pictures))
    some = Subset(source, [1, 3])
    assert list(some.names) == ["001.png", "003.png"]
    assert len(some) == 2
    assert some.container_sha256() is None, "the container's hash would be that of all of them"
    read = [decode(some.read(i), some.name(i)).pixels for i in range(2)]
    assert np.array_equal(np.stack(read), pictures[[1, 3]])
