"""A board whose provider has a dialect: flashed with the profile's name, it pairs in that dialect."""

import json
import re
from pathlib import Path

from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from pairlet_sim.imitating import Likeness
from support.agent_process import started
from support.flashing import virtual_board
from support.thread_loop import kept_open

CODE = re.compile(r"enter the code (\S+)\. Valid for")


def test_a_board_speaks_what_its_provider_does(tmp_path: Path) -> None:
    like = Likeness("twitch")
    listener = listening_socket()
    issuer = f"http://127.0.0.1:{port_of(listener)}"
    settings = Settings(issuer, people=[Person("ada", "x")], clients=[Client("lamp")], interval_s=1)
    server = AuthorizationServer(settings)
    oauth = {**like.settings(settings, "twitch"), "scope": "profile", "insecure_http": True}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"wifi": {"ssid": "attic", "key": "correct horse"}, "oauth": oauth}))
    app = like.app(server.app, settings)
    with (
        kept_open(lambda: serve(app, sock=listener), "authserver"),
        virtual_board(tmp_path / "flash.bin", networks={"attic": "correct horse"}) as board,
    ):
        board.wait_for_boot()
        with started("flash", board.serial_path, "--config", str(config)) as agent:
            agent.wait_for("flashed")
            board.wait_for_console("Valid for")
            match = CODE.search(board.console)
            assert match and server.approve(match[1], "ada"), board.console
            agent.wait_for("board_paired")
            assert agent.end() == 0
    server.close()
    outcomes = [(event.endpoint, event.outcome) for event in server.events]
    assert outcomes[0] == ("device_authorization", "issued") and outcomes[-1] == ("token", "issued")
