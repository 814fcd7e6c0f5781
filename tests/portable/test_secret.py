"""core/secret.py: a secret shows itself to nobody who does not ask for it by name."""

from pairlet.core.secret import Secret

HIDDEN = "mFAbbVMAsFBKQKR"


def test_reveal_gives_the_text_itself():
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_no_way_of_printing_shows_it():
    secret = Secret(HIDDEN)
    shown = [
        str(secret),
        repr(secret),
        "%s %r" % (secret, secret),
        f"{secret} {secret!r}",
        str([secret]),
        str((secret,)),
        str({"token": secret}),
        str({secret: 1}),
    ]
    for text in shown:
        assert HIDDEN not in text, text
        assert "<secret>" in text, text


def test_an_error_that_carries_one_does_not_show_it():
    error = ValueError("refused", Secret(HIDDEN))
    assert HIDDEN not in str(error)
    assert HIDDEN not in repr(error)


def test_a_format_with_a_width_does_not_show_it():
    try:
        shown = f"{Secret(HIDDEN):>40}"
    except TypeError:
        # MicroPython pads strings only.
        shown = ""
    assert HIDDEN not in shown


def test_two_are_equal_when_their_texts_are():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))


def test_it_equals_no_string_lest_a_comparison_tells():
    assert Secret("a") != "a"


def test_an_empty_one_is_false():
    assert not Secret("")
    assert Secret(" ")


def test_it_can_not_be_pickled():
    try:
        Secret(HIDDEN).__reduce__()
    except TypeError as error:
        assert HIDDEN not in str(error)
    else:
        raise AssertionError("a pickle of a secret holds its text")
