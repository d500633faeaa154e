"""The image: built as `make image` builds it, run as Airbyte runs it, and patched as its users do."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from integration_tests.connector import ALL, KEY, ROOT, Output, catalog
from integration_tests.test_oauth import CREDENTIALS
from integration_tests.truth import expected
from source_klaviyo.run import spec_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_simulator import Simulator

USUAL_SOCKET = "/var/run/docker.sock"
TAG = "airbyte/source-klaviyo:test"
STREAMS = ("campaigns", "events", "list_profiles", "profiles")
PLATFORM = {
    "network_mode": "host",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
}
"""As strictly as a platform may run it; the simulator listens on the machine itself."""
PATCHES = [
    dockerfile
    for dockerfile in re.findall(r"```dockerfile\n(.+?)```", (ROOT / "docs/klaviyo.md").read_text("utf-8"), re.DOTALL)
    if "COPY" in dockerfile and ".crt" not in dockerfile
]
"""The Dockerfiles that the documentation shows for patching the connector."""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    """The container engine; one that DOCKER_HOST names has to answer."""
    if not os.environ.get("DOCKER_HOST") and not listens(USUAL_SOCKET):
        pytest.skip("No container engine answers; README.md says how to set one up for the tests of the image.")
    with closing(docker.from_env(timeout=600)) as client:
        client.ping()
        yield client


def listens(path: str) -> bool:
    """Whether somebody listens on a socket; docker's client does not close one where nobody does."""
    with socket.socket(socket.AF_UNIX) as attempt:
        return attempt.connect_ex(path) == 0


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> str:
    """The name of the image, which has been built."""
    base = os.environ.get("BASE_IMAGE")
    arguments = {"BASE_IMAGE": base} if base else {}
    engine.images.build(path=str(ROOT), tag=TAG, buildargs=arguments, network_mode="host", rm=True)
    return TAG


@pytest.fixture
def inside(engine: docker.DockerClient, shop: Simulator, tmp_path: Path) -> Iterator[Container]:
    """Runs commands in the image against the shop."""
    container = Container(engine, shop.url, tmp_path)
    yield container
    container.close()


class Container:
    """Runs the image with files mounted from a folder that it may only read, and nothing else."""

    def __init__(self, engine: docker.DockerClient, url: str, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.url = url
        self.started: list[Any] = []

    def start(self, *command: str, image: str = TAG, **options: Any) -> Any:
        """Start a command, which goes on in the background."""
        for file in self.folder.glob("*.json"):
            file.chmod(0o644)
        self.folder.chmod(0o755)
        volumes = {str(self.folder): {"bind": "/config", "mode": "ro"}}
        environment = {"KLAVIYO_API_URL": self.url}
        options = {**PLATFORM, "environment": environment, "volumes": volumes, "detach": True, **options}
        self.started.append(self.engine.containers.run(image, list(command), **options))
        return self.started[-1]

    def run(self, *command: str, **options: Any) -> Output:
        """Run a command of the connector to its end."""
        return output(self.start(*command, **options))

    def read(self, *streams: str, state: Any = None, config: Any = None, **options: Any) -> Output:
        """Read some streams."""
        self.write(config=config or {"api_key": KEY}, catalog=catalog(*(streams or STREAMS)), state=state or [])
        files = (f"--{name}=/config/{name}.json" for name in ("config", "catalog", "state"))
        return self.run("read", *files, **options)

    def write(self, **files: Any) -> None:
        """Put files into the folder."""
        for name, content in files.items():
            (self.folder / f"{name}.json").write_text(json.dumps(content), "utf-8")

    def close(self) -> None:
        """Remove all that was started."""
        for container in self.started:
            container.remove(force=True)


def output(container: Any) -> Output:
    """What a container printed until its end; each line on stdout has to be a message."""
    code = container.wait()["StatusCode"]
    stdout, stderr = (container.logs(stdout=out, stderr=not out) for out in (True, False))
    return Output.parse(stdout, code, stderr.decode())


def test_the_search_for_an_engine_leaves_nothing_open(tmp_path: Path) -> None:
    before = {path.name for path in Path("/dev/fd").iterdir()}

    assert not listens(str(tmp_path / "no socket"))
    assert {path.name for path in Path("/dev/fd").iterdir()} == before


@pytest.mark.usefixtures("image")
def test_spec_is_that_of_the_connector(inside: Container) -> None:
    answer = inside.run("spec")

    assert (answer.code, answer.others, answer.stderr) == (0, [json.loads(spec_message())], "")


@pytest.mark.usefixtures("image")
def test_check_says_what_is_wrong_and_discover_what_there_is(inside: Container) -> None:
    statuses = []
    for key in (KEY, "pk_wrong"):
        inside.write(config={"api_key": key})
        answer = inside.run("check", "--config=/config/config.json")
        assert (answer.code, answer.stderr) == (0, "")
        statuses.append(answer.others[-1]["connectionStatus"]["status"])
    assert statuses == ["SUCCEEDED", "FAILED"]

    inside.write(config={"api_key": KEY})
    found = inside.run("discover", "--config=/config/config.json").others[-1]["catalog"]["streams"]
    assert {stream["name"] for stream in found} == set(ALL)


@pytest.mark.usefixtures("image")
def test_a_first_read_brings_everything_and_the_next_one_what_is_new(inside: Container, shop: Simulator) -> None:
    first = inside.read()

    assert (first.code, first.stderr) == (0, "")
    for stream in STREAMS:
        assert sorted(first.ids(stream)) == sorted(expected(shop, stream))
        assert first.statuses[stream][-1] == "COMPLETE"

    shop.mutate(events=7)
    second = inside.read(state=first.state())

    assert second.code == 0
    assert {stream: len(second.ids(stream)) for stream in STREAMS} == {**dict.fromkeys(STREAMS, 0), "events": 7}


@pytest.mark.usefixtures("image")
def test_with_oauth_it_reads_everything_and_reports_a_new_refresh_token(inside: Container, shop: Simulator) -> None:
    shop.switch(rotation="at_once")
    first = inside.read(*STREAMS, "webhooks", config={"credentials": CREDENTIALS})

    assert (first.code, first.stderr) == (0, "")
    for stream in (*STREAMS, "webhooks"):
        assert sorted(first.ids(stream)) == sorted(expected(shop, stream))
    (message,) = first.others
    settings = message["control"]["connectorConfig"]["config"]
    assert inside.read("lists", config=settings).code == 0
    assert inside.read("lists", config={"credentials": CREDENTIALS}).errors[0]["failure_type"] == "config_error"


@pytest.mark.usefixtures("image")
def test_a_wrong_config_ends_with_one_error_and_no_success(inside: Container) -> None:
    inside.write(config={"api_key": KEY, "start_date": "soon"}, catalog=catalog("lists"))

    answer = inside.run("read", "--config=/config/config.json", "--catalog=/config/catalog.json")

    assert (answer.code, len(answer.errors), answer.stderr) == (1, 1, "")
    assert answer.errors[0]["failure_type"] == "config_error"
    assert "start_date" in answer.errors[0]["message"]


@pytest.mark.usefixtures("image")
def test_kubernetes_starts_what_the_environment_names(inside: Container) -> None:
    command = ["-c", 'eval "$AIRBYTE_ENTRYPOINT spec"']

    answer = inside.run(*command, entrypoint="sh", working_dir="/config")

    assert (answer.code, answer.others) == (0, [json.loads(spec_message())])


@pytest.mark.usefixtures("image")
def test_nothing_runs_as_root_and_nothing_else_is_in_it(inside: Container) -> None:
    command = "import os, json; print(json.dumps({'type': os.getuid(), 'found': sorted(os.listdir())}))"

    (found,) = inside.run("-c", command, entrypoint="python").others

    assert found["type"] == 1000
    assert {name for name in found["found"] if not name.endswith(".egg-info")} == {
        *("airbyte", "LICENSE", "MANIFEST.in", "README.md", "main.py", "metadata.yaml", "pyproject.toml"),
        *("requirements.lock", "setup.py", "source_klaviyo"),
    }


@pytest.mark.usefixtures("image")
def test_as_the_first_process_it_ends_soon_and_well_when_told_to(inside: Container, shop: Simulator) -> None:
    shop.switch(latency=0.3)
    inside.write(config={"api_key": KEY, "num_workers": 1}, catalog=catalog("events", "profiles"))
    container = inside.start("read", "--config=/config/config.json", "--catalog=/config/catalog.json")
    while b'"RECORD"' not in container.logs(stderr=False):
        container.reload()
        assert container.status in {"created", "running"}
        time.sleep(0.1)

    container.stop(timeout=30)
    stopped = output(container)

    assert stopped.code == 143  # told by SIGTERM; 137 would be killed by SIGKILL
    assert stopped.records


@pytest.mark.usefixtures("image")
def test_it_reads_all_where_few_processes_are_allowed(inside: Container, shop: Simulator) -> None:
    answer = inside.read(pids_limit=6)

    assert (answer.code, answer.errors, answer.stderr) == (0, [], "")
    for stream in STREAMS:
        assert sorted(answer.ids(stream)) == sorted(expected(shop, stream))
    assert [line for line in answer.logs if "The system lets the connector start only" in line]


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("dockerfile", PATCHES, ids=["a file", "a checkout"])
def test_a_patch_works(inside: Container, tmp_path: Path, dockerfile: str) -> None:
    folder = tmp_path / "patch"
    shutil.copytree(ROOT / "source_klaviyo", folder / "source_klaviyo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "MANIFEST.in", "README.md", "main.py", "metadata.yaml", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder)
    patched = folder / "source_klaviyo" / "streams" / "events.py"
    code = patched.read_text("utf-8")
    patched.write_text(code.replace('cursor_attribute = "datetime"', 'cursor_attribute = "happened"'), "utf-8")
    lines = dockerfile.replace("airbyte/source-klaviyo:dev", TAG)
    assert TAG in lines
    (folder / "Dockerfile").write_text(lines, "utf-8")
    mine, _ = inside.engine.images.build(path=str(folder), network_mode="host", rm=True)

    inside.write(config={"api_key": KEY})
    found = inside.run("discover", "--config=/config/config.json", image=mine.id).others[-1]["catalog"]["streams"]

    assert mine.attrs["Config"]["User"] == "airbyte"
    assert ["happened"] in [stream.get("default_cursor_field") for stream in found]
