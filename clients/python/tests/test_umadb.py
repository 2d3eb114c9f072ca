"""`umadb`, the Python client of UmaDB: every call and every error."""

import threading
from uuid import UUID, uuid4

import pytest
import umadb
from umadb import AppendCondition, Client, Event, Query, QueryItem, TrackingInfo


def event(event_type, *tags, data=b"data", **more):
    return Event(event_type=event_type, data=data, tags=list(tags), **more)


def tagged(*tags):
    return Query(items=[QueryItem(tags=list(tags))])


def positions(response):
    return [found.position for found in response]


def fill(client, count):
    for number in range(1, count + 1):
        assert client.append([event("counted", f"number:{number}", f"odd:{number % 2}")]) == number


def test_an_empty_ledger(client):
    assert client.head() is None
    assert list(client.read()) == []
    assert client.read().head() is None
    assert client.get_tracking_info("nobody") is None
    assert client.append([]) == 0


def test_an_event_comes_back_as_it_was_given(client):
    name = uuid4()
    given = [
        event("named", "z", "a", "m", "a", uuid=name),
        event("noted", "b", metadata={"k": 'v "\n\U0001f980', "": ""}),
        event("nil", "b", "a", uuid=UUID(int=0)),
        event("nil", uuid=UUID(int=0)),
        event("bytes", data=bytes(range(256))),
        event("empty", data=b""),
    ]
    assert client.append(given) == 6
    found = [sequenced.event for sequenced in client.read()]
    for found, given in zip(found, given, strict=True):
        assert found.event_type == given.event_type
        assert found.data == given.data
        assert found.tags == given.tags
        assert found.metadata == given.metadata
        assert found.uuid == given.uuid


def test_read(client):
    fill(client, 5)
    assert positions(client.read()) == [1, 2, 3, 4, 5]
    assert positions(client.read(start=4)) == [4, 5]
    assert positions(client.read(start=6)) == []
    assert positions(client.read(backwards=True)) == [5, 4, 3, 2, 1]
    assert positions(client.read(start=2, backwards=True)) == [2, 1]
    assert positions(client.read(limit=2)) == [1, 2]
    assert positions(client.read(limit=0)) == []
    assert positions(client.read(tagged("odd:1"), limit=2, backwards=True)) == [5, 3]
    assert positions(client.read(Query(items=[]))) == [1, 2, 3, 4, 5]
    either = Query(items=[QueryItem(tags=["number:2"]), QueryItem(types=["counted"], tags=["number:4"])])
    assert positions(client.read(either)) == [2, 4]
    assert positions(client.read(Query(items=[QueryItem(types=["nobody"])]))) == []


def test_the_head_of_a_read(client):
    fill(client, 5)
    assert client.read().head() == 5
    assert client.read(tagged("nobody")).head() == 5
    events, head = client.read(tagged("odd:1")).collect_with_head()
    assert (len(events), head) == (3, 5)
    events, head = client.read(tagged("odd:1"), limit=2).collect_with_head()
    assert (len(events), head) == (2, 3)


def test_batches(server):
    with Client(server.url, batch_size=2) as client:
        fill(client, 5)
        response, sizes = client.read(), []
        while batch := response.next_batch():
            sizes.append(len(batch))
        assert sizes == [2, 2, 1]


def test_condition(client):
    fill(client, 3)
    for query, after in [
        (tagged("number:2"), None),
        (tagged("number:2"), 1),
        (Query(items=[]), 2),
    ]:
        condition = AppendCondition(fail_if_events_match=query, after=after)
        with pytest.raises(umadb.IntegrityError):
            client.append([event("new")], condition=condition)
    assert client.head() == 3
    for query, after in [
        (tagged("number:2"), 2),
        (tagged("nobody"), None),
        (Query(items=[]), 5),
        (Query(items=[]), 1_000),
    ]:
        client.append([event("new")], condition=AppendCondition(query, after))
    assert client.head() == 7


def test_a_retry_is_known_by_its_ids(client):
    events = [event("a", "mine", uuid=uuid4()), event("b", "mine", uuid=uuid4())]
    condition = AppendCondition(fail_if_events_match=tagged("mine"))
    assert client.append(events, condition=condition) == 2
    client.append([event("other")])
    assert client.append(events, condition=condition) == 2
    assert client.head() == 3
    for other in [events[1:], events[::-1], [event("a", "mine"), event("b", "mine")]]:
        with pytest.raises(umadb.IntegrityError):
            client.append(other, condition=condition)


def test_tracking(client):
    def append(position):
        return client.append([event("a", "b", "a")], tracking_info=TrackingInfo("s", position))

    assert append(5) == 1
    for position in [5, 4, 0]:
        with pytest.raises(umadb.IntegrityError):
            append(position)
    assert append(6) == 2
    assert client.get_tracking_info("s") == 6
    found = list(client.read())
    assert [(f.tracking_info.source, f.tracking_info.position) for f in found] == [("s", 5), ("s", 6)]
    assert found[0].event.tags == ["b", "a"]


def test_subscribe(client):
    fill(client, 3)
    subscription = client.subscribe(after=1)
    odd = client.subscribe(tagged("odd:1"))
    assert [next(subscription).position for _ in range(2)] == [2, 3]
    assert [next(odd).position for _ in range(2)] == [1, 3]
    client.append([event("new", "odd:1")])
    assert next(subscription).position == 4
    assert next(odd).position == 4


def test_a_subscription_that_is_cancelled_ends(client):
    subscription = client.subscribe()
    waiting = threading.Thread(target=subscription.cancel)
    waiting.start()
    with pytest.raises(umadb.CancelledByUserError):
        next(subscription)
    waiting.join()


def test_who_loses_the_server_is_told(server):
    client = Client(server.url)
    client.append([event("a")])
    subscription = client.subscribe()
    next(subscription)
    server.end()
    with pytest.raises(umadb.TransportError):
        next(subscription)
    with pytest.raises(umadb.TransportError):
        client.head()
    with pytest.raises(umadb.TransportError):
        Client(server.url)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (event(""), "events[0].type is empty"),
        (event("$command"), "events[0].type begins with $"),
        (event("a", ""), "events[0].tags[0] is empty"),
        (event("a", "x" * 257), "events[0].tags[0] has 257 bytes"),
        (event("a", *map(str, range(65))), "events[0].tags has 65 tags"),
        (event("a", metadata={"$uuid": "1"}), "events[0].metadata has the key"),
    ],
)
def test_what_can_not_be_recorded_is_refused(client, bad, says):
    with pytest.raises(ValueError) as refused:
        client.append([bad])
    assert says in str(refused.value)
    assert client.head() is None


def test_what_can_not_be_asked_is_refused(client):
    with pytest.raises(ValueError):
        list(client.read(tagged("")))
    with pytest.raises(ValueError):
        next(client.subscribe(tagged("")))
    with pytest.raises(ValueError):
        client.get_tracking_info("x" * 247)


def test_a_request_beyond_four_mebibytes_is_refused(client):
    with pytest.raises(Exception, match="4194304"):
        client.append([event("large", data=bytes(4 << 20))])
    assert client.head() is None


def test_a_key_is_not_sent_in_the_clear(server):
    with pytest.raises(umadb.TransportError):
        Client(server.url, api_key="secret").head()


def test_writers_that_race(server):
    """Of those who decide on the same state one is first: every number is given once."""
    rounds, wins = 20, []

    def count_up():
        client = Client(server.url)
        while True:
            events, head = client.read(tagged("counter")).collect_with_head()
            if len(events) >= rounds:
                return
            condition = AppendCondition(tagged("counter"), head)
            try:
                client.append([event(f"count {len(events)}", "counter")], condition=condition)
            except umadb.IntegrityError:
                continue
            wins.append(len(events))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(rounds))
