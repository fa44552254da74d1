//! Where somebody is signed in, by JSON, on the account page, and for administrators.

use core::time::Duration;

use claviger_testkit::{Answer, tests};
use http::Method;
use serde_json::{Value, json};

use super::{ORIGIN, Script, signed_in, single_page_app};
use crate::people::{ADA, OTHER_PASSWORD, PASSWORD, is_signed_in, text, user};

async fn listed(page: &mut Script, query: &str) -> Value {
    let answer = page.ask(Method::GET, &format!("sessions{query}")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().expect("items").iter().map(|item| text(item, "id")).collect()
}

tests! {
    async fn a_session_is_listed_and_ended_from_another_device(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let (mut here, mut there) = (signed_in(&t, &app).await, signed_in(&t, &app).await);
        let list = listed(&mut here, "").await;
        assert_eq!(ids(&list).len(), 2);
        let current: Vec<_> = list["items"].as_array().unwrap().iter().filter(|item| item["current"] == true).collect();
        assert_eq!(current.len(), 1);
        assert_eq!(current[0]["device"], "Firefox on Linux");
        let other = list["items"].as_array().unwrap().iter().find(|item| item["current"] == false).unwrap();
        let ended = here.ask(Method::DELETE, &format!("sessions/{}", text(other, "id"))).await;
        assert_eq!(ended.status(), 204, "{}", ended.text());
        assert_eq!(there.refresh().await.code(), "signed_out");
        assert!(!is_signed_in(&mut there.browser).await);
        assert_eq!(ids(&listed(&mut here, "").await).len(), 1);
        assert_eq!(here.refresh().await.status(), 200);
    }

    async fn whoever_ends_the_own_session_is_signed_out_here(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let me = text(&page.ask(Method::GET, "session").await.json::<Value>()["session"], "id");
        assert_eq!(page.ask(Method::DELETE, &format!("sessions/{me}")).await.status(), 204);
        assert_eq!((page.refresh_cookie(), page.browser.cookie("__Host-sid")), (None, None));
        assert_eq!(page.ask(Method::GET, "session").await.status(), 401);
    }

    async fn a_script_may_read_why_its_access_token_was_refused(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let tokens = page.sign_in(ADA).await;
        let ask = async |origin: &str, token: &str| {
            let request = t.client().request(Method::GET, "/api/v1/auth/session").header("origin", origin);
            let request = request.header("sec-fetch-site", "same-site").header("authorization", format!("Bearer {token}"));
            t.client().send(request.body(bytes::Bytes::new()).unwrap()).await
        };
        let told = |answer: &Answer| (answer.status(), answer.header("access-control-allow-origin").map(str::to_owned));
        let old = text(&tokens, "access_token");
        assert_eq!(told(&ask(ORIGIN, &old).await), (200, Some(ORIGIN.to_owned())));
        t.clock().advance(Duration::from_hours(1));
        let expired = ask(ORIGIN, &old).await;
        assert_eq!((told(&expired), expired.code().as_str()), ((401, Some(ORIGIN.to_owned())), "token_expired"));
        assert_eq!(told(&ask("https://evil.id.test", &old).await), (401, None));
        let new = text(&page.refresh().await.json::<Value>(), "access_token");
        assert_eq!(page.post("sign-out", json!({})).await.status(), 204);
        let revoked = ask(ORIGIN, &new).await;
        assert_eq!((told(&revoked), revoked.code().as_str()), ((401, Some(ORIGIN.to_owned())), "signed_out"));
        assert_eq!(told(&ask(ORIGIN, "no.token.atall").await), (401, None), "nobody knows for whom");
    }

    async fn all_other_sessions_end_at_once_and_this_one_stays(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let (mut here, mut one, mut two) = (signed_in(&t, &app).await, signed_in(&t, &app).await, signed_in(&t, &app).await);
        assert_eq!(here.ask(Method::DELETE, "sessions").await.status(), 204);
        assert_eq!((one.refresh().await.status(), two.refresh().await.status(), here.refresh().await.status()), (401, 401, 200));
    }

    async fn a_session_of_somebody_else_is_unknown(t: TestServer) {
        user(&t, ADA).await;
        user(&t, "bob@example.com").await;
        let app = single_page_app(&t).await;
        let mut ada = signed_in(&t, &app).await;
        let mut bob = Script::new(t.browser(), &app);
        let theirs = text(&bob.sign_in("bob@example.com").await, "session");
        for path in [format!("sessions/{theirs}"), "sessions/ses_00000000000000000000000000".to_owned(), "sessions/x".to_owned()] {
            assert_eq!(ada.ask(Method::DELETE, &path).await.status(), 404, "{path}");
        }
        assert_eq!(bob.refresh().await.status(), 200);
        assert!(!ids(&listed(&mut ada, "").await).contains(&theirs));
    }

    async fn the_list_goes_page_by_page_in_the_order_that_is_asked_for(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut opened = Vec::new();
        let mut here = Script::new(t.browser(), &app);
        for _ in 0..5 {
            here = Script::new(t.browser(), &app);
            opened.push(text(&here.sign_in(ADA).await, "session"));
            t.clock().advance(Duration::from_secs(1));
        }
        for (sort, order) in [("oldest", opened.clone()), ("newest", opened.iter().rev().cloned().collect())] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = listed(&mut here, &format!("?limit=2&sort={sort}{after}")).await;
                seen.extend(ids(&page));
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
            }
            assert_eq!(seen, order, "{sort}");
        }
        for wrong in ["?limit=0", "?limit=201", "?limit=x", "?sort=device", "?after=x"] {
            assert_eq!(here.ask(Method::GET, &format!("sessions{wrong}")).await.status(), 400, "{wrong}");
        }
    }

    async fn a_session_that_idled_out_is_listed_while_its_refresh_token_lives(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut sleeper = signed_in(&t, &app).await;
        let mut hosted = crate::people::signed_in(&t, ADA).await;
        t.clock().advance(Duration::from_hours(26));
        assert!(!is_signed_in(&mut hosted).await && !is_signed_in(&mut sleeper.browser).await);
        assert_eq!(sleeper.refresh().await.status(), 200, "the refresh token lives for days");
        let mut here = signed_in(&t, &app).await;
        let list = listed(&mut here, "?sort=last_seen").await;
        assert_eq!(ids(&list).len(), 2, "the hosted session is over, the application's is not: {list}");
        let other = ids(&list).into_iter().find(|id| list["items"].as_array().unwrap().iter().any(|item| item["id"] == **id && item["current"] == false)).unwrap();
        assert_eq!(here.ask(Method::DELETE, &format!("sessions/{other}")).await.status(), 204);
        assert_eq!(sleeper.refresh().await.code(), "signed_out");
        assert_eq!(ids(&listed(&mut here, "").await).len(), 1);
    }

    async fn use_of_the_application_keeps_the_session_from_idling_out(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        for _ in 0..4 {
            t.clock().advance(Duration::from_mins(30));
            assert_eq!(page.refresh().await.status(), 200);
        }
        assert!(is_signed_in(&mut page.browser).await);
    }

    async fn the_password_is_changed_by_json_and_every_other_device_is_signed_out(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let (mut here, mut there) = (signed_in(&t, &app).await, signed_in(&t, &app).await);
        let before = here.browser.cookie("__Host-sid").unwrap().to_owned();
        let path = format!("/api/v1/auth/password?client_id={}", app.client_id);
        for (current, new, code) in [(OTHER_PASSWORD, OTHER_PASSWORD, "current_password_refused"), (PASSWORD, "short", "password_refused")] {
            let body = json!({ "current_password": current, "password": new });
            let refused = here.browser.call(here.origin, Method::POST, &path, Some(&body)).await;
            assert_eq!((refused.status(), refused.code().as_str()), (422, code));
        }
        let body = json!({ "current_password": PASSWORD, "password": OTHER_PASSWORD });
        let changed = here.browser.call(here.origin, Method::POST, &path, Some(&body)).await;
        assert_eq!(changed.status(), 204, "{}", changed.text());
        assert_ne!(here.browser.cookie("__Host-sid"), Some(before.as_str()), "a085: a new session secret");
        assert!(is_signed_in(&mut here.browser).await);
        assert_eq!((here.refresh().await.status(), there.refresh().await.status()), (200, 401));
    }

    async fn the_account_page_lists_devices_and_signs_them_out(t: TestServer) {
        user(&t, ADA).await;
        let mut here = crate::people::signed_in(&t, ADA).await;
        let mut phone = crate::people::signed_in(&t, ADA).await;
        let mut desk = crate::people::signed_in(&t, ADA).await;
        let home = here.open("/account").await;
        let page = here.open(&home.link("devices").expect("a link to the devices")).await;
        assert_eq!((page.status(), page.path()), (200, "/account/sessions"));
        assert_eq!(page.text().matches("name=\"session\"").count(), 2, "one form for each other device: {}", page.text());
        assert!(page.text().contains("This device"));
        let start = page.text().find("id=\"end-ses_").expect("a button") + 4;
        let button = &page.text()[start..start + page.text()[start..].find('"').unwrap()];
        let done = here.submit(&page, &page.form(button)).await;
        assert_eq!((done.status(), done.parameter("done").as_deref()), (200, Some("one")));
        let left = [is_signed_in(&mut phone).await, is_signed_in(&mut desk).await];
        assert_eq!(left.iter().filter(|left| **left).count(), 1, "one of the two");
        let done = here.submit(&done, &done.form("end-others")).await;
        assert_eq!(done.parameter("done").as_deref(), Some("others"));
        assert!(done.find_form("end-others").is_none(), "{}", done.text());
        assert!(!is_signed_in(&mut phone).await && !is_signed_in(&mut desk).await && is_signed_in(&mut here).await);
    }

    async fn a_device_form_of_another_browser_or_site_ends_nothing(t: TestServer) {
        user(&t, ADA).await;
        user(&t, "bob@example.com").await;
        let mut ada = crate::people::signed_in(&t, ADA).await;
        let mut other = crate::people::signed_in(&t, ADA).await;
        let page = ada.open("/account/sessions").await;
        let form = page.form("end-others");
        let mut bob = t.browser();
        crate::people::sign_in_at(&mut bob, "", "bob@example.com", PASSWORD).await;
        assert_eq!(bob.submit(&page, &form).await.status(), 403, "made for another session");
        let crossed = ada.post_from("https://evil.tld", "/account/sessions", &[("others", "1")]).await;
        assert!(crossed.status() == 403 || crossed.path() == "/login", "{}", crossed.status());
        assert!(is_signed_in(&mut other).await);
    }

    async fn an_administrator_lists_and_ends_a_users_sessions(t: TestServer) {
        let ada = text(&user(&t, ADA).await, "id");
        let app = single_page_app(&t).await;
        let (mut one, mut two) = (signed_in(&t, &app).await, signed_in(&t, &app).await);
        let operator = t.operator();
        let list = operator.get(&format!("/api/v1/users/{ada}/sessions")).await.json::<Value>();
        assert_eq!(ids(&list).len(), 2, "{list}");
        let first = text(&one.ask(Method::GET, "session").await.json::<Value>()["session"], "id");
        let end = async |path: &str| {
            let request = operator.request(Method::DELETE, path);
            operator.send(request.body(bytes::Bytes::new()).unwrap()).await.status()
        };
        assert_eq!(end(&format!("/api/v1/users/{ada}/sessions/{first}")).await, 204);
        assert_eq!((one.refresh().await.status(), two.refresh().await.status()), (401, 200));
        let bob = text(&user(&t, "bob@example.com").await, "id");
        let second = text(&two.ask(Method::GET, "session").await.json::<Value>()["session"], "id");
        assert_eq!(end(&format!("/api/v1/users/{bob}/sessions/{second}")).await, 404, "not his");
        assert_eq!(end(&format!("/api/v1/users/{ada}/sessions")).await, 204);
        assert_eq!(two.refresh().await.status(), 401);
        assert_eq!(ids(&operator.get(&format!("/api/v1/users/{ada}/sessions")).await.json::<Value>()).len(), 0);
        let all = operator.get(&format!("/api/v1/users/{ada}/sessions?filter=all")).await.json::<Value>();
        assert_eq!(ids(&all).len(), 2, "ended ones are kept for a while: {all}");
        assert!(all["items"][0]["ended_at"].is_string(), "{all}");
    }
}
