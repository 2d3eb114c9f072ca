"""`eventsourcing` with `eventsourcing-umadb`: its own published test cases for a recorder, and an
application with dynamic consistency boundaries."""

import threading
from uuid import uuid4

import pytest
from eventsourcing.dcb.tests import DcbRecorderTestCase
from eventsourcing.domain import event
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.pydantic import DcbApplication, Decision, EnduringObject
from eventsourcing.tests.persistence import NonInterleavingNotificationIDsBaseCase
from eventsourcing.utils import get_topic
from eventsourcing_umadb.recorders import UmaDbApplicationRecorder, UmaDbDcbRecorder
from umadb import Client


@pytest.fixture(scope="class")
def recorded(request, url):
    """The client of a test case."""
    request.cls.umadb = Client(url)
    yield
    request.cls.umadb.close()


@pytest.mark.usefixtures("recorded")
class TestDcbRecorder(DcbRecorderTestCase):
    def test_append_read(self):
        self._test_append_read(UmaDbDcbRecorder(self.umadb), self.umadb.head() or 0)

    def test_append_subscribe(self):
        self._test_append_subscribe(UmaDbDcbRecorder(self.umadb), self.umadb.head() or 0)


@pytest.mark.usefixtures("recorded")
class TestNonInterleaving(NonInterleavingNotificationIDsBaseCase):
    insert_num = 1000

    def create_recorder(self):
        return UmaDbApplicationRecorder(umadb=self.umadb)


del DcbRecorderTestCase, NonInterleavingNotificationIDsBaseCase


def stored(originator, version, topic="topic"):
    return StoredEvent(
        originator_id=originator,
        originator_version=version,
        topic=topic,
        state=b"state",
        uuid=uuid4(),
        metadata={"by": "test"},
    )


def test_aggregates(url):
    recorder = UmaDbApplicationRecorder(umadb=Client(url))
    before = recorder.max_notification_id() or 0
    mine, other = str(uuid4()), str(uuid4())
    events = [stored(mine, 0), stored(mine, 1), stored(mine, 2)]
    assert recorder.insert_events(events[:2]) == [before + 1, before + 2]
    assert recorder.insert_events([stored(other, 0)]) == [before + 3]
    assert recorder.insert_events(events[2:]) == [before + 4]
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(mine, 1)])
    assert recorder.select_events(mine) == events
    assert recorder.select_events(mine, gt=0, lte=1) == events[1:2]
    assert recorder.select_events(mine, desc=True, limit=1) == events[2:]
    found = recorder.select_notifications(start=before + 2, limit=2)
    assert [n.originator_id for n in found] == [mine, other]
    assert recorder.max_notification_id() == before + 4


class Library(DcbApplication):
    context_name = "library"

    def add(self, title):
        book = Book(title=title)
        self.repository.save(book)
        return book.id

    def lend(self, book_id, to):
        book = self.repository.get(book_id, Book)
        book.lend(to=to)
        self.repository.save(book)

    def take_back(self, book_id):
        book = self.repository.get(book_id, Book)
        book.take_back()
        self.repository.save(book)

    def reader_of(self, book_id):
        return self.repository.get(book_id, Book).reader


class Book(EnduringObject):
    class Added(Decision):
        book_id: str
        title: str

    class Lent(Decision):
        book_id: str
        to: str

    class TakenBack(Decision):
        book_id: str

    @event(Added)
    def __init__(self, *, title: str) -> None:
        self.title = title
        self.reader = None

    def lend(self, to: str) -> None:
        if self.reader:
            raise ValueError(f"{self.reader} has it")
        self._lend(to=to)

    @event(Lent)
    def _lend(self, to: str) -> None:
        self.reader = to

    @event(TakenBack)
    def take_back(self) -> None:
        self.reader = None


@pytest.fixture
def environment(url):
    return {"LIBRARY_PERSISTENCE_MODULE": "eventsourcing_umadb", "LIBRARY_UMADB_URI": url}


def test_application(environment):
    with Library(env=environment) as library:
        book = library.add("Middlemarch")
        library.lend(book, "Ada")
        assert library.reader_of(book) == "Ada"
        with pytest.raises(ValueError):
            library.lend(book, "Bob")
        library.take_back(book)
        library.lend(book, "Bob")
    with Library(env=environment) as again:
        assert again.reader_of(book) == "Bob"


def test_application_is_consistent(environment):
    """Two that decided on the same state: the second is told."""
    with Library(env=environment) as library:
        book_id = library.add("Emma")
        first, second = (library.repository.get(book_id, Book) for _ in range(2))
        first.lend(to="Ada")
        second.lend(to="Bob")
        library.repository.save(first)
        with pytest.raises(IntegrityError):
            library.repository.save(second)
        assert library.reader_of(book_id) == "Ada"


def test_projection(environment):
    seen, done = [], threading.Event()

    class Lent(Projection):
        name = "lent"
        topics = [get_topic(Book.Lent)]

        def process_event(self, envelope, tracking: Tracking):
            seen.append(tracking.notification_id)
            self.view.insert_tracking(tracking)
            done.set()

    class View(POPOTrackingRecorder):
        pass

    with Library(env=environment) as library:
        library.lend(library.add("Persuasion"), "Ada")
    runner = ProjectionRunner(
        application_class=Library, projection_class=Lent, view_class=View, env=environment
    )
    with runner:
        assert done.wait(timeout=30)
    assert seen == sorted(seen)
