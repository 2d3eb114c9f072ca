//! The service `Views`.

use std::time::Duration;

use factum::{Answer, AsOf, Freshness};
use factum_proto::{
    Failure, ledger,
    v1::{self, ask_request, views_server::Views},
};
use factum_store::{Head, Invalid, Position, Timestamp};
use tonic::{Request, Response, Status};

use super::{Face, failure::status};
use crate::api::AskView;

#[tonic::async_trait]
impl Views for Face {
    async fn list_views(
        &self,
        request: Request<v1::ListViewsRequest>,
    ) -> Result<Response<v1::ListViewsResponse>, Status> {
        let (principal, v1::ListViewsRequest { ledger: named }) = self.open(request)?;
        let views = self.api.views(&principal, &ledger(named)).await.map_err(status)?;
        let views = views.into_iter().map(|view| {
            let (position, recorded_at) = (view.checkpoint.position, view.checkpoint.recorded_at);
            v1::View {
                name: view.name,
                checkpoint: Some(Head { position, recorded_at }.into()),
                lag_events: view.lag_events,
                error: view.error,
            }
        });
        Ok(Response::new(v1::ListViewsResponse { views: views.collect() }))
    }

    async fn ask(
        &self,
        request: Request<v1::AskRequest>,
    ) -> Result<Response<v1::AskResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let question = question(asked).map_err(Failure::from)?;
        let answer = self.api.ask(&principal, question, message).await.map_err(status)?;
        Ok(Response::new(answer))
    }
}

fn question(asked: v1::AskRequest) -> Result<AskView, Invalid> {
    let limit = asked.limit.map_or(AskView::LIMIT, |limit| limit as usize);
    if !(1..=AskView::LIMIT_MAX).contains(&limit) {
        let problem = format!("is {limit}; it must be from 1 to {}", AskView::LIMIT_MAX);
        return Err(Invalid::new("limit", problem));
    }
    Ok(AskView {
        ledger: ledger(asked.ledger),
        view: asked.view,
        key: asked.key,
        after: asked.after.map(Position),
        as_of: asked.as_of.map(|moment| match moment {
            ask_request::AsOf::AsOfPosition(position) => AsOf::Position(Position(position)),
            ask_request::AsOf::AsOfMicros(micros) => AsOf::Time(Timestamp::from_micros(micros)),
        }),
        cursor: asked.cursor,
        limit,
        deadline: asked.deadline_millis.map(|millis| Duration::from_millis(millis.into())),
    })
}

fn message(answer: Answer) -> v1::AskResponse {
    let rows = answer.rows.into_iter();
    v1::AskResponse {
        rows: rows.map(|row| v1::Row { key: row.key, document: row.document }).collect(),
        next: answer.next,
        freshness: Some(freshness(&answer.freshness)),
        events_replayed: answer.replayed,
    }
}

pub(super) fn freshness(freshness: &Freshness) -> v1::Freshness {
    v1::Freshness {
        position: freshness.position.0,
        recorded_at_micros: freshness.recorded_at.micros,
        lag_events: freshness.lag_events,
        lag_millis: freshness.lag_ms,
        stale: freshness.stale,
    }
}
