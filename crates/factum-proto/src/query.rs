//! Queries.

use factum_store::{Category, EventType, Invalid, Query, QueryItem, StreamName, Tag};

use crate::{event::names, v1};

impl From<Query> for v1::Query {
    fn from(query: Query) -> Self {
        Self { items: query.items.into_iter().map(Into::into).collect() }
    }
}

impl TryFrom<v1::Query> for Query {
    type Error = Invalid;

    fn try_from(query: v1::Query) -> Result<Self, Invalid> {
        let items = query.items.into_iter().enumerate().map(|(i, item)| {
            QueryItem::try_from(item).map_err(|invalid| invalid.within(&format!("items[{i}]")))
        });
        Ok(Self { items: items.collect::<Result<_, _>>()? })
    }
}

impl From<QueryItem> for v1::QueryItem {
    fn from(item: QueryItem) -> Self {
        Self {
            types: item.types.into_iter().map(String::from).collect(),
            tags: item.tags.into_iter().map(String::from).collect(),
            stream: item.stream.map(String::from),
            category: item.category.map(String::from),
            system: item.system,
        }
    }
}

impl TryFrom<v1::QueryItem> for QueryItem {
    type Error = Invalid;

    fn try_from(item: v1::QueryItem) -> Result<Self, Invalid> {
        Ok(Self {
            types: names("types", item.types, EventType::new)?,
            tags: names("tags", item.tags, Tag::new)?,
            stream: item.stream.map(StreamName::new).transpose()?,
            category: item.category.map(Category::new).transpose()?,
            system: item.system,
        })
    }
}
