"""The table of topics is built and parsed in one place, and refuses everything else."""

import pytest

from roeh.core.errors import MessageRefused
from roeh.transport.topics import TOPICS, Channel, Topic, parse_topic, topic_filter


@pytest.mark.parametrize("channel", list(Channel))
def test_every_topic_is_read_back_as_it_was_built(channel):
    topic = Topic(site="harbour", node="pole-7", channel=channel)
    assert parse_topic(str(topic)) == topic


def test_topics_are_the_ones_that_access_lists_are_written_for():
    assert str(Topic("harbour", "pole-7", Channel.ALERT)) == "roeh/v1/harbour/pole-7/up/alert"
    assert str(Topic("harbour", "pole-7", Channel.CMD)) == "roeh/v1/harbour/pole-7/down/cmd"
    assert topic_filter() == "roeh/v1/+/+/up/+"
    assert topic_filter(Channel.COSIGN) == "roeh/v1/+/+/down/cosign"


def test_only_what_counts_until_the_next_is_retained_and_alerts_are_acknowledged():
    retained = [row.channel for row in TOPICS.values() if row.retained]
    assert retained == [Channel.STATE, Channel.TRUST]
    assert TOPICS[Channel.ALERT].qos == TOPICS[Channel.THUMB].qos == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "roeh/v1/site/pole/up",
        "roeh/v2/site/pole/up/alert",
        "roeh/v1/site/pole/down/alert",
        "roeh/v1/site/pole/up/cmd",
        "roeh/v1/site/pole/up/alert/more",
        "roeh/v1/site/+/up/alert",
        "roeh/v1//pole/up/alert",
        "roeh/v1/Site/pole/up/alert",
        "roeh/v1/site/pole\n/up/alert",
    ],
)
def test_what_is_not_in_the_table_is_refused(text):
    with pytest.raises(MessageRefused):
        parse_topic(text)
