"""A real server on this machine: one line starts it, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import AutoModelForImageTextToText

from helpers.errors import InputError
from helpers.models import STANDIN_FOLDER, load_model, serve, server as serving
from helpers.models.server import HOST, command
from helpers.prompts import image_messages

ROOT = Path(__file__).resolve().parents[2]


def wait_for(what: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_the_command_says_what_to_use_and_stops_the_server_when_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers", "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "ENDPOINT_TOKEN": "planted-token"},
    )
    lines = [process.stdout.readline() for _ in range(4)]
    assert lines[1].startswith(f"The server http://{HOST}:") and "Only this machine" in lines[1]
    assert lines[2].startswith(f'MODEL = "endpoint:http://{HOST}:') and lines[2].endswith('#standin_weights"\n')
    (server,) = psutil.Process(process.pid).children()
    assert "planted-token" not in str(server.environ())
    assert {address.laddr.ip for address in server.net_connections() if address.status == "LISTEN"} == {HOST}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and not server.is_running()


def test_a_server_ends_with_the_process_that_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(
        "import os, pathlib, time\n"
        "def main():\n"
        "    pathlib.Path('number.partial').write_text(str(os.getpid()))\n"
        "    os.rename('number.partial', 'number')\n"
        "    time.sleep(600)\n"
    )
    script = ROOT / "helpers" / "models" / "server_process.py"
    starts = (
        "import subprocess, sys\n"  # -P, as `serve` does: the script's own folder has a server.py too
        f"subprocess.Popen([sys.executable, '-P', {str(script)!r}, 'server'], stdin=subprocess.PIPE).wait()"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    starter = subprocess.Popen([sys.executable, "-c", starts], cwd=tmp_path, env=env)
    wait_for((tmp_path / "number").exists)
    server = psutil.Process(int((tmp_path / "number").read_text()))
    starter.kill()
    starter.wait()
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} is taken"), serve(port=port):
            pass
    monkeypatch.setattr(serving, "command", lambda *_, **__: ["json.tool", "--no-such-option"])
    with pytest.raises(InputError, match=r"(?s)ended before it answered \(2\).*no-such-option"), serve():
        pass


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    base = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)
    config = LoraConfig(r=9, target_modules=r".*language_model.*\.q_proj", init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(tmp_path / "staining")
    return tmp_path / "staining"


def test_a_served_adapter_answers_as_the_loaded_one_under_its_name(adapter: Path) -> None:
    messages = image_messages([Image.new("RGB", (64, 64), "red")], "What is it?")
    expected = load_model("standin", adapter=adapter, device="cpu").generate(messages, 12)
    with serve(adapter=adapter) as served:
        assert served.name == "standin_weights+staining"
        assert load_model(served.model).generate(messages, 12).text == expected.text
        folder = served.log.parent
    assert not folder.exists()
    with pytest.raises(InputError, match="no adapter"), serve(adapter=folder):
        pass


def test_vllm_loads_a_plain_adapter_beside_the_model(adapter: Path, tmp_path: Path, monkeypatch) -> None:
    started: list[tuple[list[str], Path]] = []

    class Process(subprocess.Popen):
        def __init__(self, words: list[str], cwd: Path, **settings: object) -> None:
            started.append((words[3:], cwd))
            assert (cwd / "standin_weights+staining" / "adapter_config.json").is_file()
            assert (cwd / "standin_weights" / "config.json").is_file()
            super().__init__([sys.executable, "-c", ""], cwd=cwd, **settings)

    monkeypatch.setattr(serving, "_check_packages", lambda kind: None)
    monkeypatch.setattr(serving.subprocess, "Popen", Process)
    with pytest.raises(InputError, match="ended before it answered"), serve(kind="vllm", adapter=adapter):
        pass
    words, folder = started[0]
    assert words[:3] == ["vllm.entrypoints.cli.main", "serve", "standin_weights"]
    lora = ["--enable-lora", "--max-lora-rank", "16", "--lora-modules"]
    assert words[-5:] == [*lora, "standin_weights+staining=standin_weights+staining"]
    assert not folder.exists() and str(tmp_path) not in " ".join(words)
    assert adapter.is_dir()  # what was removed is the link


def test_the_commands_of_both_servers() -> None:
    assert command("transformers", "m", 9, cpu=True, float32=True) == [
        *["transformers.cli.transformers", "serve", "m", "--device", "cpu", "--dtype", "float32"],
        *["--host", "127.0.0.1", "--port", "9"],
    ]
    by_vllm = command("vllm", "google/m", 9, cpu=False, float32=False)
    assert by_vllm[:5] == ["vllm.entrypoints.cli.main", "serve", "google/m", "--served-model-name", "google/m"]
    assert by_vllm[by_vllm.index("--limit-mm-per-prompt") + 1] == '{"image": 126}'
    assert by_vllm[-4:] == ["--host", "127.0.0.1", "--port", "9"]
