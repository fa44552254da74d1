//! Files that pages refer to. Their paths change with their content, so browsers keep them for good.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};

use super::{Access, Kind, Reply, Request, Route, Routes};

/// A file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// The absolute path, the same for every realm.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
}

const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// Routes that serve `files`.
pub fn assets(files: impl IntoIterator<Item = Asset>) -> Routes {
    files.into_iter().fold(Routes::new(), |routes, file| {
        let route = Route::get(file.path, Kind::Asset, Access::Public).server_wide();
        routes.add(route, &Arc::new(file), |file, request| async move { Ok(serve(&file, &request)) })
    })
}

/// The path is the content's name, hence the tag too.
fn serve(file: &Asset, request: &Request) -> Reply {
    let tag = format!("\"{}\"", file.path);
    let known = request.header(&IF_NONE_MATCH).ok().flatten().is_some_and(|tags| tags.contains(&tag));
    let reply = if known {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        Reply::bytes(file.content_type, Bytes::from_static(file.bytes))
    };
    let tag = HeaderValue::from_str(&tag).expect("paths of files are visible ASCII");
    reply.header(ETAG, tag).cache(FOR_GOOD)
}
