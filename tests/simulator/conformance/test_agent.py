"""Our own agent passes everything that there is."""

import shlex

import pytest
from pairlet_sim.faults.scenarios import ALL, BY_NAME
from support.agent_process import PROGRAM
from support.conformance import conformance


def agent(command: str, *more: str) -> list[str]:
    """The words of one of the agent's commands."""
    common = ["--json", "--issuer", "{issuer}", "--client-id", "{client_id}", "--state-dir", "{state_dir}"]
    return [*PROGRAM, command, *common, *more]


def all_of(*more: str) -> list[str]:
    """The options and the command for everything that the agent can do."""
    then, unpair = (shlex.join(agent(command, *more)) for command in ("token", "unpair"))
    return ["--then", then, "--unpair", unpair, "--", *agent("pair", *more)]


@pytest.mark.timeout(400)
def test_the_agent_passes_all_of_it_over_tls_with_a_secret():
    words = all_of("--ca-file", "{ca_file}", "--client-secret-file", "{client_secret_file}")
    report = conformance(*words, timeout=380)
    assert [row for row in report.rows.values() if row["outcome"] != "passed"] == []
    assert set(report.rows) == set(BY_NAME)
    assert report.exit_code == 0
    assert report.total["passed"] == len(ALL)


def test_a_public_client_over_plain_http_on_loopback():
    report = conformance("--only", "ordinary,redirect,tls_expired", *all_of("--insecure-http"))
    assert report.outcomes() == {"ordinary": "passed", "redirect": "passed", "tls_expired": "not applicable"}
    assert report.exit_code == 0
