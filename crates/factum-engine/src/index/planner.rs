//! The planner: from a query to the events of one segment that may match, in order of position.
//!
//! For each item the terms are ordered by how many events carry them, exactly. The rarest leads,
//! the others narrow it by leapfrog, so a hot tag is never walked because a rare one was asked for
//! too. A term that most events carry would narrow little and is left to the look at the event.
//! Items are merged without repetition. What comes out are candidates: the caller compares each
//! with the event ([`Query::matches_named`]).

use std::fmt;

use factum_store::{Category, Direction, EventType, Position, Query, QueryItem, StreamName, Tag};

use super::{Cursor, IndexError, Term, View};

/// How a query is answered in one segment.
pub(crate) enum Part<'a> {
    /// An item names no term: look at every event, without the index.
    Scan,
    /// Look at these events only.
    Candidates(Candidates<'a>),
}

/// How one item of a query is answered in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPlan {
    /// The terms in the order in which they are used, the rarest first.
    pub terms: Vec<TermPlan>,
}

/// One term of an item: a tag, a stream, a category, or the union of the types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermPlan {
    /// What is asked for, such as `tag order:W123` or `type a, b`.
    pub asks: String,
    /// How many of the segment's events carry it, exactly (for types, the sum).
    pub count: u64,
    /// What it is used for.
    pub role: Role,
}

/// What a term is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its events are walked.
    Leads,
    /// Skips what the leading term has and this one has not.
    Narrows,
    /// So many events carry it that it is only compared with the events that are found.
    Compared,
}

/// The events of one segment that may match, in order.
pub(crate) struct Candidates<'a> {
    items: Vec<ItemCursor<'a>>,
    direction: Direction,
    pub(crate) plans: Vec<UsedItem>,
}

/// The events that carry all of an item's terms.
struct ItemCursor<'a> {
    /// The leading union first. None of them is empty.
    unions: Vec<UnionCursor<'a>>,
    /// The next event, once it is known.
    next: Option<Position>,
    done: bool,
}

/// The events that carry any of some terms.
struct UnionCursor<'a> {
    cursors: Vec<(Cursor<'a>, Next)>,
}

/// What a cursor is known to come to next.
#[derive(Clone, Copy)]
enum Next {
    Unknown,
    At(Position),
    Nothing,
}

/// What a query asks an index for: worked out once, used in every segment.
pub(crate) struct Asked {
    /// For each item what must be carried; `None` when an item names no term.
    items: Option<Vec<Vec<Ask>>>,
}

/// One of the things that an item's events carry: any of `terms`.
struct Ask {
    asks: AskedFor,
    terms: Vec<Term>,
}

#[derive(Clone)]
enum AskedFor {
    Tag(Tag),
    Stream(StreamName),
    Category(Category),
    Types(Vec<EventType>),
}

impl fmt::Display for AskedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Stream(stream) => write!(f, "stream {stream}"),
            Self::Category(category) => write!(f, "category {category}"),
            Self::Types(types) => {
                let names: Vec<_> = types.iter().map(EventType::as_str).collect();
                write!(f, "type {}", names.join(", "))
            }
        }
    }
}

impl Asked {
    pub(crate) fn of(query: &Query) -> Self {
        let items: Vec<_> = query.items.iter().map(asks).collect();
        let scan = items.iter().any(Vec::is_empty);
        Self { items: (!scan).then_some(items) }
    }

    /// Whether the index can narrow the query down.
    pub(crate) fn is_some(&self) -> bool {
        self.items.is_some()
    }
}

impl<'a> Part<'a> {
    /// Plans a query in the segment that `view` shows.
    pub(crate) fn plan(
        view: View<'a>,
        asked: &Asked,
        direction: Direction,
    ) -> Result<Self, IndexError> {
        let Some(asked) = &asked.items else { return Ok(Self::Scan) };
        let mut candidates = Candidates { items: Vec::new(), direction, plans: Vec::new() };
        for asks in asked {
            let (plan, cursor) = plan_item(view, asks)?;
            candidates.plans.push(plan);
            candidates.items.extend(cursor);
        }
        Ok(Self::Candidates(candidates))
    }
}

fn asks(item: &QueryItem) -> Vec<Ask> {
    let one = |asks, term| Ask { asks, terms: vec![term] };
    let tag = |tag: &Tag| one(AskedFor::Tag(tag.clone()), Term::tag(tag));
    let mut asks: Vec<_> = item.tags.iter().map(tag).collect();
    if let Some(stream) = &item.stream {
        asks.push(one(AskedFor::Stream(stream.clone()), Term::stream(stream)));
    } else if let Some(category) = &item.category {
        // A stream says its category already.
        asks.push(one(AskedFor::Category(category.clone()), Term::category(category)));
    }
    if !item.types.is_empty() {
        let mut terms: Vec<_> = item.types.iter().map(Term::event_type).collect();
        terms.sort_unstable();
        terms.dedup();
        asks.push(Ask { asks: AskedFor::Types(item.types.clone()), terms });
    }
    asks
}

/// How the terms of an item are used, in words only when somebody asks.
pub(crate) struct UsedItem(Vec<UsedTerm>);

struct UsedTerm {
    asks: AskedFor,
    count: u64,
    role: Role,
}

impl UsedItem {
    pub(crate) fn explain(&self) -> ItemPlan {
        let explain = |used: &UsedTerm| TermPlan {
            asks: used.asks.to_string(),
            count: used.count,
            role: used.role,
        };
        ItemPlan { terms: self.0.iter().map(explain).collect() }
    }
}

/// An item's plan, and its cursor unless it is certain that nothing matches.
fn plan_item<'a>(
    view: View<'a>,
    asks: &[Ask],
) -> Result<(UsedItem, Option<ItemCursor<'a>>), IndexError> {
    let mut found = Vec::new();
    for Ask { asks, terms } in asks {
        let (mut count, mut cursors) = (0, Vec::new());
        for term in terms {
            let (carry, cursor) = view.postings(*term)?;
            count += carry;
            if carry > 0 {
                cursors.push((cursor, Next::Unknown));
            }
        }
        let plan = UsedTerm { asks: asks.clone(), count, role: Role::Narrows };
        let empty = count == 0;
        found.push((plan, UnionCursor { cursors }));
        if empty {
            break;
        }
    }
    found.sort_by_key(|(plan, _)| plan.count);
    let events = (view.last().0 + 1).saturating_sub(view.first().0);
    let (mut terms, mut unions) = (Vec::new(), Vec::new());
    for (i, (mut plan, union)) in found.into_iter().enumerate() {
        plan.role = match i {
            0 => Role::Leads,
            _ if view.reads_file() && plan.count * 2 > events => Role::Compared,
            _ => Role::Narrows,
        };
        if plan.role != Role::Compared {
            unions.push(union);
        }
        terms.push(plan);
    }
    let nothing = terms.first().is_none_or(|lead| lead.count == 0);
    let cursor = (!nothing).then_some(ItemCursor { unions, next: None, done: false });
    Ok((UsedItem(terms), cursor))
}

/// Whether `a` comes before `b`.
fn before(a: Position, b: Position, direction: Direction) -> bool {
    match direction {
        Direction::Forward => a < b,
        Direction::Backward => a > b,
    }
}

impl Candidates<'_> {
    /// The nearest candidate at or beyond `target`. Targets must go on in the direction of the
    /// query.
    pub(crate) fn seek(&mut self, target: Position) -> Result<Option<Position>, IndexError> {
        let direction = self.direction;
        let mut nearest = None;
        for item in &mut self.items {
            if let Some(position) = item.seek(target, direction)?
                && nearest.is_none_or(|nearest| before(position, nearest, direction))
            {
                nearest = Some(position);
            }
        }
        Ok(nearest)
    }
}

impl ItemCursor<'_> {
    fn seek(
        &mut self,
        target: Position,
        direction: Direction,
    ) -> Result<Option<Position>, IndexError> {
        if self.done {
            return Ok(None);
        }
        if let Some(next) = self.next
            && !before(next, target, direction)
        {
            return Ok(Some(next));
        }
        self.next = self.leapfrog(target, direction)?;
        self.done = self.next.is_none();
        Ok(self.next)
    }

    /// The nearest position at or beyond `target` that all the unions have.
    fn leapfrog(
        &mut self,
        mut target: Position,
        direction: Direction,
    ) -> Result<Option<Position>, IndexError> {
        'again: loop {
            for (i, union) in self.unions.iter_mut().enumerate() {
                match union.seek(target, direction)? {
                    None => return Ok(None),
                    // Only the leading union may move the target without starting over.
                    Some(position) if i == 0 => target = position,
                    Some(position) if position != target => {
                        target = position;
                        continue 'again;
                    }
                    Some(_) => {}
                }
            }
            return Ok(Some(target));
        }
    }
}

impl UnionCursor<'_> {
    fn seek(
        &mut self,
        target: Position,
        direction: Direction,
    ) -> Result<Option<Position>, IndexError> {
        let mut nearest = None;
        for (cursor, next) in &mut self.cursors {
            let known = match *next {
                Next::Nothing => continue,
                Next::At(position) if !before(position, target, direction) => Some(position),
                _ => cursor.seek(target, direction)?,
            };
            *next = known.map_or(Next::Nothing, Next::At);
            if let Some(position) = known
                && nearest.is_none_or(|nearest| before(position, nearest, direction))
            {
                nearest = Some(position);
            }
        }
        Ok(nearest)
    }
}
