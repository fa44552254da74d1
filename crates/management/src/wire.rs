//! Shapes that several resources share on the wire.

use claviger_http::base::{Refusal, Request};
use claviger_kernel::{ErrorClass, Id, IdKind};
use serde::Serialize;

/// A page of a list: the items, and where the next begins.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give it back as `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How many items a page has at most.
pub(crate) const LARGEST_PAGE: u32 = 200;

/// `limit` of the query, 50 where it says nothing.
pub(crate) fn limit(request: &Request) -> Result<u32, Refusal> {
    let Some(text) = request.query().get("limit") else { return Ok(50) };
    let limit = text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    limit.ok_or_else(|| Refusal::malformed("invalid_limit", "limit is a number from 1 to 200."))
}

/// `after` of the query.
pub(crate) fn after<K: IdKind>(request: &Request) -> Result<Option<Id<K>>, Refusal> {
    let malformed = |_| Refusal::malformed("invalid_after", "after is the next of the page before.");
    request.query().get("after").map(|text| text.parse().map_err(malformed)).transpose()
}

/// A page of `items` as `shown`; `next` is the id of the last one if the page is full.
pub(crate) fn page<'a, T, S>(
    items: &'a [T],
    limit: u32,
    id: impl Fn(&T) -> String,
    shown: impl Fn(&'a T) -> S,
) -> Page<S> {
    let full = items.len() as u64 >= u64::from(limit);
    Page { items: items.iter().map(shown).collect(), next: items.last().filter(|_| full).map(id) }
}

/// The id in the path that the route calls `name`; one that is malformed names nothing.
pub(crate) fn id<K: IdKind>(request: &Request, name: &str) -> Result<Id<K>, Refusal> {
    request.part(name).parse().map_err(|_| Refusal::not_found())
}

/// A conflict with what stands.
pub(crate) fn conflict(code: &'static str, detail: &impl ToString) -> Refusal {
    Refusal::new(ErrorClass::Conflict, code, detail.to_string())
}

/// A value that is no good, and where.
pub(crate) fn invalid(code: &'static str, pointer: &str, detail: &impl ToString) -> Refusal {
    Refusal::malformed(code, "A value in the body is no good.").at(pointer, detail.to_string())
}
