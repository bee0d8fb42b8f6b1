"""Pictures in S3, from moto's server on this machine; skipped where s3fs or moto is missing."""

import numpy as np
import pytest
from pictures import encode, noise, write_tar, write_zip
from toys import Counting, colours

import mifid
from mifid.distributed import compute_shards
from mifid.errors import InputError
from mifid.images import open_images, remote
from mifid.scoring import score

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

FILES = [(f"{i:02}.png", encode(noise(i))) for i in range(12)]
BYTES = [content for _, content in FILES]
SECRET = "s3cr3t-key-of-nobody"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """A bucket with pictures in all forms, found by the variables that AWS's tools read."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem()
        system.mkdir("pictures")
        folder = tmp_path_factory.mktemp("s3")
        for name, content in FILES:
            system.pipe(f"pictures/set/{name}", content)
        system.pipe("pictures/a.zip", write_zip(folder / "a.zip", FILES).read_bytes())
        for i in range(2):
            tar = write_tar(folder / "a.tar", FILES[6 * i : 6 * i + 6])
            system.pipe(f"pictures/shard-{i:03}.tar", tar.read_bytes())
        yield system
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(remote, "_WAITS", (0.0, 0.0))


@pytest.mark.parametrize(
    "form", ["set/", "set/*.png", "a.zip", "shard-*.tar", "shard-{000..001}.tar"]
)
def test_pictures_in_a_bucket_are_those_that_were_put_there(form, bucket):
    source = open_images(f"s3://pictures/{form}")
    assert [source.read(i) for i in range(len(source))] == BYTES
    source.close()


def test_a_score_is_that_of_the_pictures_and_knows_a_file_by_its_etag(bucket, tmp_path):
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    plain = score(
        write_zip(tmp_path / "a.zip", FILES), reference, extractor=colours, ci=0, cache=False
    )
    found = score("s3://pictures/a.zip", reference, extractor=colours, ci=0, cache=False)
    assert found.mifid == plain.mifid
    assert found.inputs["generated"].source == "zip s3://pictures/a.zip, known by size and ETag"
    assert SECRET not in found.text() + found.to_json()


def test_shards_and_lists_in_a_bucket_are_those_of_the_pictures(bucket, tmp_path):
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    asked = {"extractor": Counting(), "ci": 0, "cache": False}
    plain = score(write_zip(tmp_path / "a.zip", FILES), reference, **asked)
    for form in ("set/", "shard-*.tar"):
        store = tmp_path / form[:3]
        for shard in ("1/2", "2/2"):
            compute_shards(f"s3://pictures/{form}", store, shard=shard, extractor=Counting())
        assert score(store, reference, **asked).mifid == pytest.approx(plain.mifid)
        assert not any(SECRET.encode() in part.read_bytes() for part in store.iterdir())
    tars = [f"s3://pictures/shard-{i:03}.tar" for i in range(2)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(tars))
    for given in (tars, listed):
        assert score(given, reference, **asked).mifid == pytest.approx(plain.mifid)


def test_statistics_in_a_bucket_are_those_of_their_file(bucket, tmp_path):
    mifid.build_reference(
        write_zip(tmp_path / "a.zip", FILES), tmp_path / "real.npz", extractor=Counting()
    )
    bucket.put(str(tmp_path / "real.npz"), "pictures/real.npz")
    asked = {"extractor": Counting(), "ci": 0, "cache": False, "metrics": ["fid"]}
    painted = np.stack([noise(seed) for seed in range(40, 55)])
    found = score(painted, "s3://pictures/real.npz", **asked)
    assert found.fid == score(painted, tmp_path / "real.npz", **asked).fid
    told = found.text() + found.to_json()
    assert "features in s3://pictures/real.npz" in told
    assert SECRET not in told
    assert "127.0.0.1" not in told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://pictures/gone.zip", "there is no such file"),
        ("s3://pictures/gone/", "there is no file below"),
        ("s3://pictures/*.jpg", "no file matches"),
        ("s3://no-such-bucket/a.zip", "cannot be read: there is no such file"),
        ("s3://no-such-bucket/set/", "cannot be read: there is no such file"),
    ],
)
def test_what_is_not_there_is_refused_with_its_url(url, said, bucket):
    with pytest.raises(InputError, match=said) as caught:
        open_images(url)
    assert url.partition("*")[0] in str(caught.value)


def test_a_refused_key_is_an_error_in_words_that_does_not_show_it(bucket):
    from moto.core import set_initial_no_auth_action_count

    bucket.invalidate_cache()

    @set_initial_no_auth_action_count(0)  # from now on the server knows no key
    def message(form):
        with pytest.raises(InputError, match=r"s3://pictures/.* cannot be read") as caught:
            open_images(f"s3://pictures/{form}")
        return str(caught.value)

    for form in ("a.zip", "set/", "*.zip"):
        said = message(form)
        assert "forbidden" in said.lower()
        assert SECRET not in said
