"""An Airflow that does not answer is told of in a sentence: where it should be, and where its logs are."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path

import pytest
from upath import UPath

from demo.airflow import Airflow, AirflowError
from etl.settings import Settings


class HangsUp(socketserver.BaseRequestHandler):
    """Reads what is asked, and ends the connection."""

    def handle(self) -> None:
        self.request.recv(1 << 16)


@pytest.mark.parametrize("is_there", [True, False])
def test_who_does_not_answer_is_named(tmp_path: Path, is_there: bool) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), HangsUp) as server:
        port = server.server_address[1]
        (tmp_path / "airflow").mkdir()
        (tmp_path / "airflow" / "processes.json").write_text(json.dumps({"port": port, "pids": {}}))
        if is_there:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        else:
            server.server_close()
        airflow = Airflow(Settings(home=tmp_path, data=UPath(tmp_path / "data"), database_url=None))
        with pytest.raises(AirflowError, match=f"127.0.0.1:{port}.*logs"):
            airflow.trigger("marts")
        if is_there:
            server.shutdown()
