"""pairlet_board/mqtt_session.py against a broker's half in memory: no socket, no clock, no waiting."""

import mqtt_broker_half as broker
from pairlet.core.errors import ConfigError, ProtocolError, TransportError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet_board import mqtt_packets as packets
from pairlet_board import mqtt_session
from pairlet_board.mqtt_session import Session

WHO = Credentials("device", Secret("token"))


def told(number, qos=1):
    """A message that can be told from others."""
    return Message("t", b"%d" % number, qos, False)


def publish(session, number, qos=1):
    """Send message `number`; its delivery."""
    return session.send(packets.publish(told(number, qos)))


def sent(session, now=0):
    """Everything that the session wants to send now, as (type, flags, body)."""
    data = b""
    while True:
        piece = session.data_to_send(now)
        if piece is None:
            return broker.packets(data)
        data += bytes(piece)


def numbers(session, now=0):
    """What it sends as (number of the message, packet_id, dup); all of it must be PUBLISH."""
    found = [broker.read_publish(each) for each in sent(session, now)]
    return [(int(each[1]), each[5], each[4]) for each in found]


def feed(session, data, now=0):
    """Let bytes arrive, in as many pieces as they need."""
    while data:
        space = session.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        session.receive(count, now)
        data = data[count:]


def connected(now=0, session_present=False, session=None, **options):
    """A session whose CONNECT was accepted."""
    session = session or Session("client", 60, **options)
    session.connect(WHO, None, now)
    assert broker.read_connect(sent(session, now)[0])["client_id"] == "client"
    feed(session, broker.connack(session_present), now)
    assert session.state == mqtt_session.CONNECTED
    return session


def error_of(call, *arguments):
    """The error of ours that `call` raises."""
    try:
        call(*arguments)
    except (ConfigError, ProtocolError, TransportError) as error:
        return error
    raise AssertionError("nothing was raised")


class Waiter:
    """Counts how often it was told."""

    def __init__(self):
        self.told = 0

    def __call__(self, code):
        """The outcome is there."""
        self.told += 1


# ---- the connection --------------------------------------------------------------------------


def test_connect_says_who_it_is_and_waits_for_the_answer():
    session = Session("client", 30)
    session.connect(WHO, Message("t/status", b"offline", 1, True), 0)
    assert session.state == mqtt_session.CONNECTING
    (connect,) = [broker.read_connect(each) for each in sent(session)]
    assert connect["will"] == ("t/status", b"offline", 1, True)
    assert (connect["keep_alive"], connect["clean_session"]) == (30, False)
    assert (session.return_code, session.deadline()) == (None, None)
    feed(session, broker.connack(True))
    assert (session.state, session.return_code, session.session_present) == ("connected", 0, True)


def test_a_clean_session_is_asked_for():
    session = Session("client", 30, clean_session=True)
    session.connect(WHO, None, 0)
    assert broker.read_connect(sent(session)[0])["clean_session"] is True


def test_refused():
    session = Session("client", 30)
    session.connect(WHO, None, 0)
    sent(session)
    feed(session, broker.connack(False, 5))
    assert session.return_code == 5
    # It says nothing more, and what the broker says after that doesn't count.
    assert sent(session) == []
    feed(session, broker.puback(1))
    assert isinstance(error_of(publish, session, 1), TransportError)
    session.lost("closed")
    connected(session=session)


def test_nothing_is_sent_without_a_connection():
    session = Session("client", 30)
    assert isinstance(error_of(publish, session, 1), TransportError)
    session.connect(WHO, None, 0)
    assert isinstance(error_of(publish, session, 1), TransportError)
    feed(session, broker.connack())
    session.lost("the cat pulled the plug")
    error = error_of(publish, session, 1)
    assert str(error) == "the cat pulled the plug"
    assert session.data_to_send(0) is None


def test_two_connects_at_once_are_the_drivers_fault():
    session = connected()
    assert "Session can't take 'connect'" in str(error_of(session.connect, WHO, None, 0))


def test_a_will_that_can_not_be_sent_changes_nothing():
    session = Session("client", 30)
    assert isinstance(error_of(session.connect, WHO, Message("#", b"", 1, True), 0), ConfigError)
    assert session.data_to_send(0) is None
    connected(session=session)


def test_connack_comes_first_and_once():
    for data in (broker.puback(1), broker.publish("t", b"x"), broker.PINGRESP, broker.suback(1, 0)):
        session = Session("client", 30)
        session.connect(WHO, None, 0)
        assert isinstance(error_of(feed, session, data), ProtocolError)
    assert isinstance(error_of(feed, connected(), broker.connack()), ProtocolError)


def test_disconnect_is_the_last_packet():
    session = connected()
    waiting = [publish(session, number) for number in range(9)]
    sent(session)
    session.disconnect()
    assert [each.code for each in waiting] == [None] * 9
    assert sent(session) == [(broker.DISCONNECT, 0, b"")]
    # Too late for anything: neither goes anything out nor counts what comes in.
    feed(session, broker.publish("t", b"x", 1) + broker.connack())
    assert (session.next_message(), sent(session), session.deadline()) == (None, [], None)
    assert isinstance(error_of(publish, session, 1), TransportError)
    session.disconnect()
    assert sent(session) == []


def test_disconnect_waits_for_the_packet_that_is_half_out():
    session = connected()
    session.send(packets.publish(Message("t", b"x" * 3000, 1, False)))
    data = bytes(session.data_to_send(0))
    session.disconnect()
    while True:
        piece = session.data_to_send(0)
        if piece is None:
            break
        data += bytes(piece)
    assert [each[0] for each in broker.packets(data)] == [broker.PUBLISH, broker.DISCONNECT]


def test_disconnect_and_lost_without_a_connection_are_harmless():
    session = Session("client", 30)
    session.disconnect()
    session.lost("never there")
    assert sent(session) == []
    connected(session=session)


# ---- publishing ------------------------------------------------------------------------------


def test_qos_1_waits_for_its_puback():
    session = connected()
    delivery, waiter = publish(session, 1), Waiter()
    delivery.then = waiter
    assert numbers(session) == [(1, 1, False)]
    assert (delivery.code, waiter.told) == (None, 0)
    feed(session, broker.puback(1))
    assert (delivery.code, waiter.told) == (0, 1)


def test_qos_0_is_done_when_it_is_written():
    session = connected()
    delivery = publish(session, 1, 0)
    assert session.data_to_send(0) is not None
    assert delivery.code is None
    assert session.data_to_send(0) is None
    assert delivery.code == 0


def test_qos_0_that_was_not_written_has_failed():
    session = connected()
    delivery, waiter = publish(session, 1, 0), Waiter()
    delivery.then = waiter
    session.data_to_send(0)
    session.lost("cut")
    assert (delivery.code, waiter.told) == (None, 1)


def test_no_more_than_the_window_is_in_flight():
    session = connected(window=3)
    deliveries = [publish(session, number) for number in range(7)]
    assert numbers(session) == [(0, 1, False), (1, 2, False), (2, 3, False)]
    assert numbers(session) == []
    # Out of order: still each frees one place.
    feed(session, broker.puback(2))
    assert numbers(session) == [(3, 4, False)]
    feed(session, broker.puback(1) + broker.puback(3))
    assert numbers(session) == [(4, 5, False), (5, 6, False)]
    feed(session, broker.puback(4) + broker.puback(5) + broker.puback(6))
    assert numbers(session) == [(6, 7, False)]
    feed(session, broker.puback(7))
    assert [each.code for each in deliveries] == [0] * 7


def test_qos_0_needs_no_place_but_keeps_its_turn():
    session = connected(window=1)
    for number, qos in ((1, 1), (2, 0), (3, 1), (4, 0)):
        publish(session, number, qos)
    # The window is full: 2 waits behind nothing but its turn, which comes with the room for 3.
    assert [number for number, _, _ in numbers(session)] == [1]
    feed(session, broker.puback(1))
    assert [number for number, _, _ in numbers(session)] == [2, 3]


def test_a_large_payload_goes_out_in_pieces_and_uncopied():
    session = connected()
    payload = bytes([index % 251 for index in range(5000)])
    delivery = session.send(packets.publish(Message("t", payload, 0, False)))
    data, largest = b"", 0
    while True:
        piece = session.data_to_send(0)
        if piece is None:
            break
        largest = max(largest, len(piece))
        data += bytes(piece)
        # A packet is not torn apart by another one, and not done before its last piece.
        if len(data) < 5000:
            assert delivery.code is None
            session.next_message()
    assert broker.read_publish(broker.packets(data)[0])[1] == payload
    assert largest <= 1024
    assert delivery.code == 0


def test_a_puback_does_not_get_into_the_middle_of_a_packet():
    session = connected()
    feed(session, broker.publish("t", b"x", 1, 77))
    session.send(packets.publish(Message("t", b"x" * 3000, 1, False)))
    data = bytes(session.data_to_send(0))
    session.next_message()
    while True:
        piece = session.data_to_send(0)
        if piece is None:
            break
        data += bytes(piece)
    assert [each[0] for each in broker.packets(data)] == [broker.PUBLISH, broker.PUBACK]


def test_packet_ids_go_round_and_leave_out_what_is_in_use():
    session = connected()
    first = publish(session, 1)
    assert numbers(session) == [(1, 1, False)]
    taken = set()
    for _ in range(65534):
        delivery = publish(session, 2)
        session.data_to_send(0)
        session.receive(put(session, broker.puback(delivery.packet_id)), 0)
        assert delivery.code == 0
        if delivery.packet_id in (0, 1, 2, 65535):
            taken.add(delivery.packet_id)
    # 65534 others: all but 0, which is none, and 1, which is still under way.
    assert taken == {2, 65535}
    assert (publish(session, 3).packet_id, numbers(session)[0][1]) == (0, 2)
    assert first.code is None


def put(session, data):
    """Put `data`, which fits, where the session wants it; its length."""
    session.space()[: len(data)] = data
    return len(data)


def test_acknowledgements_of_nothing_are_left_alone():
    session = connected()
    delivery = publish(session, 1)
    sent(session)
    feed(session, broker.puback(2) + broker.suback(3, 0) + broker.unsuback(4))
    assert delivery.code is None
    feed(session, broker.puback(1) + broker.puback(1))
    assert delivery.code == 0


def test_an_acknowledgement_of_another_kind_is_refused():
    for data in (broker.suback(1, 0), broker.unsuback(1)):
        session = connected()
        publish(session, 1)
        sent(session)
        assert isinstance(error_of(feed, session, data), ProtocolError)


def test_a_publish_that_nobody_waits_for_is_not_sent():
    session = connected(window=1)
    first, second = publish(session, 1), publish(session, 2)
    publish(session, 3)
    assert [number for number, _, _ in numbers(session)] == [1]
    session.forget(first)
    session.forget(second)
    # The first is in the broker's hands, so its place and its packet_id are taken until the answer.
    assert numbers(session) == []
    feed(session, broker.puback(1))
    assert numbers(session) == [(3, 2, False)]


def test_the_age_of_the_oldest_unacknowledged_packet():
    session = connected(window=2)
    assert session.unacked_ms(1000) is None
    publish(session, 1)
    assert session.unacked_ms(1500) is None
    sent(session, 2000)
    publish(session, 2)
    sent(session, 5000)
    assert session.unacked_ms(7000) == 5000
    feed(session, broker.puback(1), 7000)
    assert session.unacked_ms(7000) == 2000
    session.lost("cut")
    assert session.unacked_ms(9000) is None


# ---- losing the connection -------------------------------------------------------------------


def test_what_is_unacknowledged_at_the_end_has_failed():
    session = connected(window=2)
    deliveries = [publish(session, number) for number in range(4)]
    waiters = []
    for delivery in deliveries:
        delivery.then = Waiter()
        waiters.append(delivery.then)
    sent(session)
    feed(session, broker.puback(1))
    session.lost("cut")
    assert [each.code for each in deliveries] == [0, None, None, None]
    assert [each.told for each in waiters] == [1] * 4
    # Publishing it again is the caller's business.
    connected(session=session, session_present=True)
    assert sent(session) == []


def lose(session, **options):
    """Lose a connection with 0 and 1 in flight and 2 waiting, and connect again; the deliveries."""
    deliveries = [publish(session, number) for number in range(3)]
    assert numbers(session) == [(0, 1, False), (1, 2, False)]
    session.lost("cut")
    assert [each.code for each in deliveries] == [None] * 3
    connected(session=session, **options)
    return deliveries


def test_republish_to_a_session_that_was_kept():
    session = connected(window=2, republish=True)
    deliveries = lose(session, session_present=True)
    # In the same order, with the same packet_ids (MQTT-4.4.0-1), and within the window.
    assert numbers(session) == [(0, 1, True), (1, 2, True)]
    feed(session, broker.puback(1) + broker.puback(2))
    assert numbers(session) == [(2, 3, False)]
    feed(session, broker.puback(3))
    assert [each.code for each in deliveries] == [0] * 3


def test_republish_to_a_session_that_was_not_kept():
    session = connected(window=2, republish=True)
    deliveries = lose(session, session_present=False)
    assert numbers(session) == [(0, 3, False), (1, 4, False)]
    feed(session, broker.puback(3) + broker.puback(4))
    assert numbers(session) == [(2, 5, False)]
    feed(session, broker.puback(5))
    assert [each.code for each in deliveries] == [0] * 3


def test_republish_after_a_connect_that_failed():
    session = connected(window=2, republish=True)
    deliveries = [publish(session, number) for number in range(2)]
    sent(session)
    session.lost("cut")
    for code in (3, None):
        session.connect(WHO, None, 0)
        sent(session)
        if code:
            feed(session, broker.connack(False, code))
        session.lost("cut again")
    connected(session=session, session_present=True)
    assert numbers(session) == [(0, 1, True), (1, 2, True)]
    feed(session, broker.puback(1) + broker.puback(2))
    assert [each.code for each in deliveries] == [0, 0]


def test_a_new_message_gets_no_packet_id_that_waits_to_be_sent_again():
    session = connected(window=1, republish=True)
    publish(session, 1)
    assert numbers(session) == [(1, 1, False)]
    session.lost("cut")
    connected(session=session, session_present=True)
    publish(session, 2)
    assert numbers(session) == [(1, 1, True)]
    feed(session, broker.puback(1))
    assert numbers(session) == [(2, 2, False)]


def test_disconnect_ends_the_waiting_for_a_republish():
    session = connected(republish=True)
    delivery, waiter = publish(session, 1), Waiter()
    delivery.then = waiter
    sent(session)
    session.lost("cut")
    assert waiter.told == 0
    session.disconnect()
    assert (delivery.code, waiter.told) == (None, 1)
    connected(session=session, session_present=True)
    assert sent(session) == []


def test_subscriptions_are_not_sent_again():
    session = connected(republish=True)
    delivery, waiter = session.send(packets.subscribe("t/#", 1)), Waiter()
    delivery.then = waiter
    sent(session)
    session.lost("cut")
    assert (delivery.code, waiter.told) == (None, 1)


# ---- subscribing and receiving ---------------------------------------------------------------


def test_subscribe_and_unsubscribe():
    session = connected()
    delivery = session.send(packets.subscribe("t/+", 1))
    assert broker.read_subscribe(sent(session)[0]) == (1, "t/+", 1)
    feed(session, broker.suback(1, 1))
    assert delivery.code == 1
    delivery = session.send(packets.unsubscribe("t/+"))
    assert broker.read_unsubscribe(sent(session)[0]) == (2, "t/+")
    feed(session, broker.unsuback(2))
    assert delivery.code == 0


def test_a_refused_subscription():
    session = connected()
    delivery = session.send(packets.subscribe("secret/#", 1))
    sent(session)
    feed(session, broker.suback(1, 0x80))
    assert delivery.code == 0x80


def test_messages_come_out_in_order_and_are_acknowledged_when_taken():
    session = connected()
    feed(session, broker.publish("t", b"1", 1, 500) + broker.publish("t", b"2"))
    feed(session, broker.publish("t", b"3", 1, 9))
    assert sent(session) == []
    assert session.next_message() == Message("t", b"1", 1, False)
    assert sent(session) == [(broker.PUBACK, 0, broker.number(500))]
    assert session.next_message() == Message("t", b"2", 0, False)
    assert sent(session) == []
    assert session.next_message() == Message("t", b"3", 1, False)
    assert sent(session) == [(broker.PUBACK, 0, broker.number(9))]
    assert session.next_message() is None


def test_a_message_taken_after_its_connection_is_not_acknowledged():
    """The broker does not know that packet_id any more, or uses it for another message."""
    session = connected()
    feed(session, broker.publish("t", b"1", 1, 5))
    session.lost("cut")
    connected(session=session, session_present=True)
    assert session.next_message().payload == b"1"
    assert sent(session) == []


def test_what_waits_to_be_read_is_bounded():
    session = connected(most=1000)
    for number in range(1, 6):
        feed(session, broker.publish("t", b"x" * 800, 1, number))
    assert [session.next_message() is None for _ in range(3)] == [False, False, True]
    # Those left out are not acknowledged: the broker has them still.
    assert [each[2] for each in sent(session)] == [broker.number(1), broker.number(2)]
    feed(session, broker.publish("t", b"x" * 800, 1, 6))
    assert session.next_message() is not None


def test_empty_messages_are_bounded_too():
    session = connected(most=1000)
    for _ in range(200):
        feed(session, broker.publish("t", b""))
    count = 0
    while session.next_message() is not None:
        count += 1
    assert 20 <= count <= 40


def test_a_packet_over_the_limit_ends_it():
    assert "too large" in str(error_of(feed, connected(most=1000), broker.publish("t", b"x" * 1000)))


def test_what_can_not_be_taken_is_left_behind_once():
    session = connected(most=1000)
    session.start_over()
    session.lost("it was too large")
    cleans = []
    for _ in range(2):
        session.connect(Credentials("u", Secret("p")), None, 0)
        cleans.append(broker.read_connect(sent(session)[0])["clean_session"])
        session.lost("again")
    assert cleans == [True, False]


# ---- time ------------------------------------------------------------------------------------


def test_a_ping_after_keep_alive_of_silence():
    session = connected(now=1000)
    assert session.deadline() == 61000
    session.tick(60999)
    assert sent(session, 60999) == []
    session.tick(61000)
    assert sent(session, 61000) == [(broker.PINGREQ, 0, b"")]
    # Once is enough.
    session.tick(61001)
    assert sent(session, 61001) == []


def test_a_broker_that_does_not_answer_the_ping_is_dead():
    session = connected(now=0)
    session.tick(60000)
    sent(session, 60000)
    assert session.deadline() == 90000
    session.tick(89999)
    error = error_of(session.tick, 90000)
    assert isinstance(error, TransportError)
    assert "keep-alive" in str(error)


def test_a_ping_that_can_not_be_written_makes_no_difference():
    """A socket that is full: nobody asks for data_to_send()."""
    session = connected(now=0)
    session.tick(60000)
    assert isinstance(error_of(session.tick, 90000), TransportError)


def test_any_packet_is_a_sign_of_life():
    for data in (broker.PINGRESP, broker.publish("t", b"x"), broker.publish("t", b"x")[:1]):
        session = connected(now=0)
        session.tick(60000)
        sent(session, 60000)
        feed(session, data, 89000)
        session.tick(90000)
        assert session.deadline() == 120000  # heard at 89000, sent at 60000
        session.tick(120000)
        assert sent(session, 120000) == [(broker.PINGREQ, 0, b"")]


def test_silence_in_one_direction_is_enough():
    hearing, sending = connected(now=0), connected(now=0)
    for now in range(10000, 60000, 10000):
        feed(hearing, broker.publish("t", b"x"), now)
        publish(sending, 1, 0)
        sent(sending, now)
    for session in (hearing, sending):
        assert session.deadline() == 60000
        session.tick(60000)
        assert sent(session, 60000) == [(broker.PINGREQ, 0, b"")]


def test_talk_in_both_directions_needs_no_ping():
    session = connected(now=0)
    for now in range(30000, 300000, 30000):
        publish(session, 1)
        packet_id = numbers(session, now)[0][1]
        feed(session, broker.puback(packet_id), now)
        session.tick(now)
        assert session.deadline() == now + 60000


def test_a_reconnect_starts_the_clock_anew():
    session = connected(now=0)
    session.tick(60000)
    session.lost("cut")
    assert session.deadline() is None
    connected(session=session, now=200000)
    assert session.deadline() == 260000


def test_the_token_is_gone_once_it_is_sent():
    session = Session("client", 30)
    session.connect(Credentials("device", Secret("s3cr3t")), None, 0)
    assert "s3cr3t" not in repr(session)
    assert broker.read_connect(sent(session)[0])["password"] == "s3cr3t"
    for name, value in session.__dict__.items():
        assert "s3cr3t" not in repr(value), name
