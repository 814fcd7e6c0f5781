"""Resource indicators, audience and further parameters in the requests of the device grant and a refresh."""

from pairlet.drive import Patience
from test_agent import Rig, raised

FOR = {"oauth": {"resource": ["https://api.example/", "urn:meters"], "audience": "api"}}


def bodies(rig, path):
    """The bodies of all requests to `path`."""
    return [request.body.decode() for _, _, request in rig.http.log if request.url.endswith(path)]


def test_item_44_resources_go_along_with_each_request_of_the_device_grant():
    rig = Rig(settings=FOR)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 3500000
    rig.run(rig.agent.usable_token(Patience(3)))
    (first,), tokens = bodies(rig, "/device"), bodies(rig, "/token")
    assert len(tokens) == 2 and "grant_type=refresh_token" in tokens[1]
    for body in [first] + tokens:
        assert "resource=https%3A%2F%2Fapi.example%2F&resource=urn%3Ameters&audience=api" in body


def test_without_them_requests_are_as_the_rfc_has_them():
    rig = Rig()
    rig.run(rig.agent.pair(Patience(3)))
    for body in bodies(rig, "/device") + bodies(rig, "/token"):
        assert "resource" not in body and "audience" not in body


def test_further_parameters_have_a_table_for_each_kind_of_request():
    tables = {"oauth": {"extra": {"prompt": "consent"}, "token_extra": {"zone": "z"}}}
    rig = Rig(settings=tables)
    rig.run(rig.agent.pair(Patience(3)))
    (first,), (poll,) = bodies(rig, "/device"), bodies(rig, "/token")
    assert "prompt=consent" in first and "zone" not in first
    assert "zone=z" in poll and "prompt" not in poll


def test_a_parameter_that_is_sent_anyway_is_refused():
    for table in ("extra", "token_extra"):
        for name in ("scope", "client_secret", "code_verifier", "grant_type", "state"):
            error = raised(refused_or_paired, {"oauth": {table: {name: "x"}}})
            assert name in str(error) and table in str(error) and error.exit_code == 2
    error = raised(refused_or_paired, {"oauth": {"audience": "a", "extra": {"audience": "b"}}})
    assert "audience" in str(error)


def refused_or_paired(settings):
    rig = Rig(settings=settings)
    rig.run(rig.agent.pair(Patience(3)))
