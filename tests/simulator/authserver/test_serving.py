"""Serving inside a running event loop: ports, certificates, a clean stop."""

import asyncio
import socket
import ssl

import pytest
import requests
from pairlet_sim.authserver import ServeError, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support.certificates import CertificateAuthority


async def _hello(request):
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", _hello)])


def test_a_free_port_is_picked_and_given_back():
    async def main():
        async with serve(APP) as running:
            assert running.url == f"http://127.0.0.1:{running.port}"
            answer = await asyncio.to_thread(requests.get, running.url, timeout=30)
            assert answer.text == "hello"
        assert len(asyncio.all_tasks()) == 1
        listening_socket("127.0.0.1", running.port).close()

    asyncio.run(main())


def test_two_servers_in_one_loop():
    async def main():
        async with serve(APP) as one, serve(APP) as two:
            assert one.port != two.port
            for each in (one, two):
                assert (await asyncio.to_thread(requests.get, each.url, timeout=30)).text == "hello"

    asyncio.run(main())


def test_a_port_in_use():
    async def main(port):
        with pytest.raises(ServeError, match=f"Port {port} of 127.0.0.1 is in use") as caught:
            async with serve(APP, port=port):
                pass
        assert not caught.value.about_certificate

    with listening_socket() as taken:
        asyncio.run(main(port_of(taken)))


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70000), ("127.0.0.1", -1), ("\0", 0)]
)
def test_addresses_that_can_not_be_used(host, port):
    with pytest.raises(ServeError):
        listening_socket(host, port)


def test_a_socket_reserved_before():
    async def main():
        listener = listening_socket()
        port = port_of(listener)
        async with serve(APP, sock=listener) as running:
            assert running.port == port
        assert listener.fileno() == -1

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_certificates_that_can_not_be_used(tmp_path, content):
    certfile = tmp_path / "cert.pem"
    if content is not None:
        certfile.write_bytes(content)
    listener = listening_socket()

    async def main():
        with pytest.raises(ServeError, match="certificate") as caught:
            async with serve(APP, certfile=str(certfile), keyfile=str(certfile), sock=listener):
                pass
        assert caught.value.about_certificate

    asyncio.run(main())
    assert listener.fileno() == -1


def test_tls(tmp_path):
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    certfile, keyfile = authority.issue().write(tmp_path)

    async def main():
        async with serve(APP, certfile=certfile, keyfile=keyfile) as running:
            assert running.url.startswith("https://127.0.0.1:")
            context = ssl.create_default_context(cafile=ca_file)
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"hello")
            writer.close()

    asyncio.run(main())


def test_it_stops_while_a_client_is_connected_and_silent():
    async def main():
        async with serve(APP) as running:
            client = socket.create_connection(("127.0.0.1", running.port))
        with client:
            assert client.recv(1) == b""

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("steps", range(3))
def test_who_is_cancelled_while_it_stops_is_cancelled_and_it_stops(steps):
    async def main():
        listener, stopping = listening_socket(), asyncio.Event()

        async def serves():
            async with serve(APP, sock=listener):
                stopping.set()

        task = asyncio.create_task(serves())
        await stopping.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() and listener.fileno() == -1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_an_error_inside_the_block_comes_out():
    async def main():
        with pytest.raises(KeyError):
            async with serve(APP):
                raise KeyError("mine")
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
