//! What holds for every request, whatever it asks for.

mod faults;
mod headers;
mod hosts;
mod input;
mod limits;
mod logs;
pub(crate) mod routes;
mod smuggling;

use std::sync::Arc;

use claviger_testkit::http_base::{Access, Kind, Refusal, Reply, Request, Route, Routes};

/// Routes that show what a handler gets.
fn mirror() -> Routes {
    let it = Arc::new(());
    let page = Route::post("/page", Kind::Page, Access::Public).server_wide().reads_cookie();
    Routes::new()
        .add(Route::get("/echo", Kind::Api, Access::Public).server_wide(), &it, |_, request| async move {
            Ok(echo(&request))
        })
        .add(Route::get("/echo/{part}", Kind::Api, Access::Public).server_wide(), &it, |_, request| async move {
            Ok(echo(&request))
        })
        .add(Route::post("/form", Kind::OAuth, Access::Client).server_wide(), &it, |_, request| async move {
            Ok(echo(&request))
        })
        .add(page, &it, |_, request| async move { Ok(echo(&request)) })
        .add(
            Route::post("/json", Kind::Api, Access::Public).server_wide(),
            &it,
            |_, request| async move { read(&request) },
        )
}

fn echo(request: &Request) -> Reply {
    let fields = request.query().names().chain(request.form().names());
    let fields: Vec<_> =
        fields.map(|name| (name.to_owned(), request.form().get(name).or(request.query().get(name)))).collect();
    Reply::json(&serde_json::json!({
        "fields": fields,
        "client": request.client().to_string(),
        "cookie": request.cookie("sid").is_some(),
    }))
}

fn read(request: &Request) -> Result<Reply, Refusal> {
    request.json::<serde_json::Value>().map(|value| Reply::json(&value))
}
