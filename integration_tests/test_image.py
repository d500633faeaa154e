"""The image: built like `make image`, run like Airbyte runs it, and patched as the documentation shows."""

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
from integration_tests.truth import assert_complete
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
"""The strictest options that a platform may use; the host's network, since the simulator listens there."""
PATCHES = [
    dockerfile
    for dockerfile in re.findall(r"```dockerfile\n(.+?)```", (ROOT / "docs/klaviyo.md").read_text("utf-8"), re.DOTALL)
    if "COPY" in dockerfile and ".crt" not in dockerfile
]
"""The Dockerfiles that the documentation shows for patching the connector."""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    """The container engine; the one that DOCKER_HOST names, if it is set, must respond."""
    if not os.environ.get("DOCKER_HOST") and not listens(USUAL_SOCKET):
        pytest.skip("No container engine answers; README.md says how to set one up for the tests of the image.")
    with closing(docker.from_env(timeout=600)) as client:
        client.ping()
        yield client


def listens(path: str) -> bool:
    """Return whether a server listens on a socket; without one, Docker's client would leave the socket open."""
    with socket.socket(socket.AF_UNIX) as attempt:
        return attempt.connect_ex(path) == 0


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> str:
    """Build the image and return its name."""
    base = os.environ.get("BASE_IMAGE")
    arguments = {"BASE_IMAGE": base} if base else {}
    engine.images.build(path=str(ROOT), tag=TAG, buildargs=arguments, network_mode="host", rm=True)
    return TAG


@pytest.fixture
def inside(engine: docker.DockerClient, shop: Simulator, tmp_path: Path) -> Iterator[Container]:
    """Run commands in the image against the shop."""
    container = Container(engine, shop.url, tmp_path)
    yield container
    container.close()


class Container:
    """Runs the image with nothing mounted but a read-only folder of files."""

    def __init__(self, engine: docker.DockerClient, url: str, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.url = url
        self.started: list[Any] = []

    def start(self, *command: str, image: str = TAG, **options: Any) -> Any:
        """Start a command in the background."""
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
        """Remove all containers that were started."""
        for container in self.started:
            container.remove(force=True)


def output(container: Any) -> Output:
    """Wait for the end of a container and return what it printed; each line on stdout must be a message."""
    code = container.wait()["StatusCode"]
    stdout, stderr = (container.logs(stdout=out, stderr=not out) for out in (True, False))
    return Output.parse(stdout, code, stderr.decode())


def test_the_search_for_an_engine_leaves_no_socket_open(tmp_path: Path) -> None:
    before = {path.name for path in Path("/dev/fd").iterdir()}

    assert not listens(str(tmp_path / "no socket"))
    assert {path.name for path in Path("/dev/fd").iterdir()} == before


@pytest.mark.usefixtures("image")
def test_the_image_prints_the_spec_of_the_connector(inside: Container) -> None:
    answer = inside.run("spec")

    assert (answer.code, answer.others, answer.stderr) == (0, [json.loads(spec_message())], "")


@pytest.mark.usefixtures("image")
def test_check_tells_good_from_wrong_keys_and_discover_lists_all_streams(inside: Container) -> None:
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
def test_the_first_read_is_complete_and_the_next_one_reads_what_is_new(inside: Container, shop: Simulator) -> None:
    first = inside.read()

    assert (first.code, first.stderr) == (0, "")
    assert_complete(first, shop, STREAMS, once=True)

    shop.mutate(events=7)
    second = inside.read(state=first.state())

    assert second.code == 0
    assert {stream: len(second.ids(stream)) for stream in STREAMS} == {**dict.fromkeys(STREAMS, 0), "events": 7}


@pytest.mark.usefixtures("image")
def test_a_read_with_oauth_is_complete_and_reports_a_new_refresh_token(inside: Container, shop: Simulator) -> None:
    shop.switch(rotation="at_once")
    first = inside.read(*STREAMS, "webhooks", config={"credentials": CREDENTIALS})

    assert (first.code, first.stderr) == (0, "")
    assert_complete(first, shop, (*STREAMS, "webhooks"), once=True)
    (message,) = first.others
    settings = message["control"]["connectorConfig"]["config"]
    assert inside.read("lists", config=settings).code == 0
    assert inside.read("lists", config={"credentials": CREDENTIALS}).errors[0]["failure_type"] == "config_error"


@pytest.mark.usefixtures("image")
def test_an_invalid_setting_fails_with_one_error(inside: Container) -> None:
    inside.write(config={"api_key": KEY, "start_date": "soon"}, catalog=catalog("lists"))

    answer = inside.run("read", "--config=/config/config.json", "--catalog=/config/catalog.json")

    assert (answer.code, len(answer.errors), answer.stderr) == (1, 1, "")
    assert answer.errors[0]["failure_type"] == "config_error"
    assert "start_date" in answer.errors[0]["message"]


@pytest.mark.usefixtures("image")
def test_the_entrypoint_that_kubernetes_reads_from_the_environment_works(inside: Container) -> None:
    command = ["-c", 'eval "$AIRBYTE_ENTRYPOINT spec"']

    answer = inside.run(*command, entrypoint="sh", working_dir="/config")

    assert (answer.code, answer.others) == (0, [json.loads(spec_message())])


@pytest.mark.usefixtures("image")
def test_the_image_does_not_run_as_root_and_contains_only_the_connector(inside: Container) -> None:
    command = "import os, json; print(json.dumps({'type': os.getuid(), 'found': sorted(os.listdir())}))"

    (found,) = inside.run("-c", command, entrypoint="python").others

    assert found["type"] == 1000
    assert {name for name in found["found"] if not name.endswith(".egg-info")} == {
        *("airbyte", "LICENSE", "MANIFEST.in", "README.md", "main.py", "metadata.yaml", "pyproject.toml"),
        *("requirements.lock", "setup.py", "source_klaviyo"),
    }


@pytest.mark.usefixtures("image")
def test_a_read_as_the_first_process_ends_soon_after_a_stop(inside: Container, shop: Simulator) -> None:
    shop.switch(latency=0.3)
    inside.write(config={"api_key": KEY, "num_workers": 1}, catalog=catalog("events", "profiles"))
    container = inside.start("read", "--config=/config/config.json", "--catalog=/config/catalog.json")
    while b'"RECORD"' not in container.logs(stderr=False):
        container.reload()
        assert container.status in {"created", "running"}
        time.sleep(0.1)

    container.stop(timeout=30)
    stopped = output(container)

    assert stopped.code == 143  # by SIGTERM; 137 would mean SIGKILL
    assert stopped.records


@pytest.mark.usefixtures("image")
def test_a_read_is_complete_with_few_processes(inside: Container, shop: Simulator) -> None:
    answer = inside.read(pids_limit=6)

    assert (answer.code, answer.errors, answer.stderr) == (0, [], "")
    assert_complete(answer, shop, STREAMS, once=True)
    assert [line for line in answer.logs if "The system lets the connector start only" in line]


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("dockerfile", PATCHES, ids=["a file", "a checkout"])
def test_a_patched_image_runs_the_patch(inside: Container, tmp_path: Path, dockerfile: str) -> None:
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
