//! What a stranger, another site and a thief try at the JSON surface. Where a row says *all paths*, this is the other half
//! of what stands beside the pages.

use core::time::Duration;

use bytes::Bytes;
use claviger_testkit::{Answer, Options, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use super::{ORIGIN, Script, named_app, signed_in, single_page_app};
use crate::people::{ADA, OTHER_PASSWORD, PASSWORD, bearer, code, is_signed_in, peer, text, user};

/// The same length as [`ADA`].
const NOBODY: &str = "eve@example.com";

const STEPS: [&str; 8] = ["sign-up", "sign-in", "verify", "resend", "recover", "reset", "refresh", "sign-out"];

/// What an answer says, without what is new each time.
fn plain(answer: &Answer, email: &str) -> String {
    let mut body: Value = answer.json();
    for member in ["flow", "expires_at", "request_id"] {
        if body.get(member).is_some() {
            body[member] = "[new]".into();
        }
    }
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "set-cookie"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    format!("{} {}\n{body}", answer.status(), headers.join("\n")).replace(email, "[email]")
}

async fn guess(t: &TestServer, client_id: &str, from: &str, email: &str) -> Answer {
    let mut page = Script { browser: t.browser_at(peer(from)), origin: ORIGIN, client_id: client_id.to_owned() };
    page.post("sign-in", json!({ "email": email, "password": OTHER_PASSWORD })).await
}

tests! {
    async fn a031_another_site_and_an_origin_that_is_not_registered_are_refused(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let before = t.durable_rows().await;
        for (origin, code) in [
            ("https://evil.tld", "cross_site_request"),
            ("https://evil.id.test", "origin_not_registered"),
            ("http://app.id.test", "cross_site_request"),
            ("https://app.id.test.evil.tld", "cross_site_request"),
            ("null", "cross_site_request"),
        ] {
            let mut theirs = Script { origin, ..page.clone() };
            for step in STEPS {
                let body = match step {
                    "sign-up" | "sign-in" => json!({ "email": ADA, "password": PASSWORD }),
                    "recover" => json!({ "email": ADA }),
                    "verify" => json!({ "code": "12345678" }),
                    "reset" => json!({ "password": OTHER_PASSWORD }),
                    _ => json!({}),
                };
                let refused = theirs.post(step, body).await;
                assert_eq!((refused.status(), refused.code().as_str()), (403, code), "{step} from {origin}");
                assert_eq!(refused.header("access-control-allow-origin"), None, "{step} from {origin}");
            }
            assert_eq!(theirs.ask(Method::DELETE, "sessions").await.status(), 403, "{origin}");
            let seen = theirs.ask(Method::GET, "session").await;
            assert_eq!(seen.header("access-control-allow-origin"), None, "{origin} cannot read it");
            assert!(!seen.text().contains(ADA), "{origin}: {}", seen.text());
        }
        assert_eq!(t.durable_rows().await, before);
        assert_eq!(page.refresh().await.status(), 200);
    }

    async fn a096_the_json_surface_takes_json_only_and_its_preflight_tells_nothing(t: TestServer) {
        let app = single_page_app(&t).await;
        let before = t.durable_rows().await;
        let body = json!({ "client_id": app.client_id, "email": ADA, "password": PASSWORD }).to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            for step in STEPS {
                let request = t.client().request(Method::POST, &format!("/api/v1/auth/{step}")).header("content-type", kind);
                assert_eq!(t.client().send(request.body(Bytes::from(body.clone())).unwrap()).await.status(), 415, "{step} {kind}");
            }
        }
        for step in STEPS {
            let request = t.client().request(Method::OPTIONS, &format!("/api/v1/auth/{step}")).header("origin", ORIGIN);
            let asked = t.client().send(request.body(Bytes::new()).unwrap()).await;
            assert_eq!((asked.status(), asked.header("access-control-allow-origin")), (204, Some(ORIGIN)));
            assert_eq!(asked.header("access-control-allow-headers"), Some("authorization, content-type"));
            assert!(asked.set_cookies().is_empty() && asked.bytes().is_empty());
        }
        assert_eq!(t.durable_rows().await, before);
    }

    async fn a_browser_never_gets_its_refresh_token_where_scripts_can_read_it(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let token = page.refresh_cookie().unwrap().1.to_owned();
        for body in [json!({ "delivery": "body", "refresh_token": token }), json!({ "delivery": "body" })] {
            let refused = page.post("refresh", body).await;
            assert_eq!((refused.status(), refused.code().as_str()), (403, "cookie_required"));
        }
        let body = json!({ "email": ADA, "password": PASSWORD, "delivery": "body" });
        assert_eq!(page.post("sign-in", body).await.code(), "cookie_required");
        assert_eq!(page.post("refresh", json!({ "refresh_token": token })).await.status(), 400);
        for answer in [page.refresh().await, page.post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await] {
            let value = page.refresh_cookie().unwrap().1;
            assert!(answer.status() == 200 && !answer.text().contains(value) && answer.json::<Value>().get("refresh_token").is_none());
        }
    }

    async fn a032_a_flow_that_was_begun_in_another_browser_is_refused_by_json(t: TestServer) {
        let app = single_page_app(&t).await;
        let mut mine = Script::new(t.browser(), &app);
        let asked = mine.post("sign-up", json!({ "email": ADA, "password": PASSWORD })).await.json::<Value>();
        let digits = code(&t, "main", ADA).await;
        let body = json!({ "flow": asked["flow"], "code": digits });
        let mut other = Script::new(t.browser(), &app);
        other.post("sign-in", json!({ "email": NOBODY, "password": PASSWORD })).await;
        let refused = other.post("verify", body.clone()).await;
        assert_eq!((refused.status(), refused.code().as_str()), (400, "flow_gone"));
        for flow in [json!(null), json!("x"), json!("flw_00000000000000000000000000")] {
            assert_eq!(mine.post("verify", json!({ "flow": flow, "code": digits })).await.code(), "flow_gone", "{flow}");
        }
        assert_eq!(mine.post("verify", body.clone()).await.json::<Value>()["state"], "signed_in");
        assert_eq!(mine.post("verify", body).await.code(), "flow_gone", "and a finished flow is over");
    }

    async fn a075_a_used_refresh_token_that_comes_back_ends_the_family_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let mut thief = page.clone();
        assert_eq!(page.refresh().await.status(), 200);
        let next = page.refresh().await.json::<Value>();
        assert_eq!(thief.refresh().await.code(), "signed_out");
        assert_eq!(page.refresh().await.code(), "signed_out", "the family is over for everybody");
        assert_eq!(app.userinfo(&t.client(), &text(&next, "access_token")).await.status(), 401);
    }

    async fn an_answer_that_comes_late_to_one_tab_takes_nothing_from_the_others(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        for (uses, wait) in [(0, 0), (0, 900), (1, 0), (1, 20), (1, 900)] {
            let mut page = signed_in(&t, &app).await;
            for _ in 0..uses {
                page.refresh().await;
            }
            // Two tabs refresh at the same moment. The answer of one is on its way while the other goes on.
            let late = page.clone().refresh().await;
            assert_eq!(page.refresh().await.status(), 200);
            assert_eq!(page.refresh().await.status(), 200);
            page.browser.arrived(&late);
            t.clock().advance(Duration::from_secs(wait));
            assert_eq!(page.ask(Method::GET, "session").await.status(), 200, "{uses} uses, {wait} s");
            assert_eq!(page.refresh().await.status(), 200, "{uses} uses, {wait} s");
            assert_eq!(page.refresh().await.status(), 200, "{uses} uses, {wait} s");
            assert_eq!(page.post("sign-out", json!({})).await.status(), 204);
            page.browser.arrived(&late);
            assert_eq!(page.refresh().await.code(), "signed_out", "what comes after the end opens nothing");
        }
        t.deliver("main").await;
        assert!(t.inbox().newest_to(ADA).is_none(), "and nobody is told of a thief");
    }

    async fn a085_signing_in_by_json_gives_a_new_session_and_ends_the_one_before(t: TestServer) {
        user(&t, ADA).await;
        user(&t, "bob@example.com").await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        page.browser.plant("__Host-sid", "cvse_planted");
        page.sign_in(ADA).await;
        assert_ne!(page.browser.cookie("__Host-sid"), Some("cvse_planted"));
        let mut before = page.clone();
        page.sign_in(ADA).await;
        assert!(!is_signed_in(&mut before.browser).await, "the same person again: a new secret");
        assert_eq!(before.refresh().await.status(), 401, "and the refresh token that it replaced is over");
        let mut before = page.clone();
        page.sign_in("bob@example.com").await;
        assert!(!is_signed_in(&mut before.browser).await);
        assert_eq!((before.refresh().await.status(), page.refresh().await.status()), (401, 200));
    }

    async fn a086_a_session_that_an_administrator_ends_is_over_for_json_at_the_next_request(t: TestServer) {
        let ada = text(&user(&t, ADA).await, "id");
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let token = text(&page.sign_in(ADA).await, "access_token");
        t.operator().post_json(&format!("/api/v1/users/{ada}/sign-out"), &json!({})).await;
        assert_eq!(page.refresh().await.status(), 401);
        assert_eq!(page.ask(Method::GET, "sessions").await.status(), 401);
        assert_eq!(bearer(&t.client(), Method::GET, "/api/v1/auth/session", &token).await.status(), 401);
        assert_eq!(app.userinfo(&t.client(), &token).await.status(), 401);
    }

    async fn a087_a_disabled_user_gets_in_by_no_way_of_the_json_surface(t: TestServer) {
        let ada = text(&user(&t, ADA).await, "id");
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let token = text(&page.sign_in(ADA).await, "access_token");
        let mut reset = Script::new(t.browser(), &app);
        let asked = reset.post("recover", json!({ "email": ADA })).await.json::<Value>();
        let digits = code(&t, "main", ADA).await;
        let flow = json!({ "flow": asked["flow"], "code": digits });
        assert_eq!(reset.post("verify", flow).await.json::<Value>()["state"], "new_password");
        assert_eq!(t.operator().post_json(&format!("/api/v1/users/{ada}/disable"), &json!({})).await.status(), 200);
        let fresh = Script::new(t.browser(), &app).post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await;
        assert_eq!((fresh.status(), fresh.code().as_str()), (422, "sign_in_refused"));
        assert_eq!(page.post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await.code(), "sign_in_refused");
        assert_eq!(page.refresh().await.code(), "signed_out");
        for path in ["session", "sessions"] {
            assert_eq!(page.ask(Method::GET, path).await.status(), 401, "{path}");
            assert_eq!(bearer(&t.client(), Method::GET, &format!("/api/v1/auth/{path}"), &token).await.status(), 401, "{path}");
        }
        let chosen = reset.post("reset", json!({ "flow": asked["flow"], "password": OTHER_PASSWORD })).await;
        assert_eq!(chosen.code(), "flow_gone");
        assert!(!is_signed_in(&mut page.browser).await);
    }

    async fn a088_a_half_finished_sign_in_is_nobody_for_the_json_surface(t: TestServer) {
        let body = json!({ "email": ADA, "password": PASSWORD });
        assert_eq!(t.operator().post_json("/api/v1/users", &body).await.status(), 201);
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let answer = page.post("sign-in", body).await;
        let asked: Value = answer.json();
        assert_eq!(asked["state"], "confirm_address");
        assert!(asked.get("access_token").is_none() && page.refresh_cookie().is_none(), "{asked}");
        assert_eq!(page.refresh().await.status(), 401);
        for path in ["session", "sessions"] {
            assert_eq!(page.ask(Method::GET, path).await.status(), 401, "{path}");
        }
        assert_eq!(page.ask(Method::DELETE, "sessions").await.status(), 401);
        assert!(!is_signed_in(&mut page.browser).await);
    }

    async fn a089_no_step_can_be_skipped_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let asked = page.post("recover", json!({ "email": ADA })).await.json::<Value>();
        let flow = text(&asked, "flow");
        let ahead = page.post("reset", json!({ "flow": flow, "password": OTHER_PASSWORD })).await;
        assert_eq!((ahead.status(), ahead.code().as_str()), (409, "out_of_turn"));
        assert!(ahead.text().contains("confirm_reset"), "the same step again: {}", ahead.text());
        assert_eq!(page.post("verify", json!({ "flow": flow, "code": "" })).await.code(), "code_refused");
        assert_eq!(page.post("verify", json!({ "flow": flow })).await.code(), "invalid_body");
        let started = page.post("sign-up", json!({ "email": NOBODY, "password": PASSWORD })).await.json::<Value>();
        let ahead = page.post("reset", json!({ "flow": started["flow"], "password": OTHER_PASSWORD })).await;
        assert_eq!(ahead.code(), "out_of_turn");
        for (password, status) in [(OTHER_PASSWORD, 422), (PASSWORD, 200)] {
            let tried = Script::new(t.browser(), &app).post("sign-in", json!({ "email": ADA, "password": password })).await;
            assert_eq!(tried.status(), status);
        }
    }

    async fn a091_the_server_decides_when_a_refresh_token_is_over_whatever_the_browser_keeps(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut idle = signed_in(&t, &app).await;
        let (name, value) = idle.refresh_cookie().map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        let mut busy = signed_in(&t, &app).await;
        t.clock().advance(Duration::from_hours(10 * 24));
        assert_eq!(busy.refresh().await.status(), 200);
        t.clock().advance(Duration::from_hours(5 * 24));
        idle.browser.forget();
        idle.browser.plant(&name, &value);
        assert_eq!(idle.refresh().await.code(), "signed_out", "14 days without use");
        t.clock().advance(Duration::from_hours(8 * 24));
        assert_eq!(busy.refresh().await.status(), 200);
        let (name, value) = busy.refresh_cookie().map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        t.clock().advance(Duration::from_hours(7 * 24));
        assert_eq!(busy.refresh().await.code(), "signed_out", "the cookie went with its family, after 30 days");
        busy.browser.plant(&name, &value);
        assert_eq!(busy.refresh().await.code(), "signed_out", "however long the browser keeps it");
    }

    async fn a092_every_cookie_of_the_json_surface_is_bound_and_hidden_from_scripts(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let signed_in = page.post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await;
        let refreshed = page.refresh().await;
        let out = page.post("sign-out", json!({})).await;
        assert_eq!([signed_in.status(), refreshed.status(), out.status()], [200, 200, 204]);
        let cookies: Vec<_> = [&signed_in, &refreshed, &out].into_iter().flat_map(Answer::set_cookies).collect();
        assert_eq!(cookies.len(), 4 + 1 + 3, "flow, sid, known and refresh; the other refresh; all gone: {cookies:?}");
        for cookie in &cookies {
            assert!(cookie.starts_with("__Host-") && cookie.len() <= 4096, "{cookie}");
            for attribute in ["; Secure", "; HttpOnly", "; SameSite=", "; Path=/"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            assert!(!cookie.contains("Domain") && !cookie.contains("SameSite=None"), "{cookie}");
        }
        let refresh: Vec<_> = cookies.iter().filter(|cookie| cookie.starts_with("__Host-refresh-")).collect();
        assert_eq!(refresh.len(), 4);
        for cookie in &refresh[..2] {
            assert!(cookie.contains("; SameSite=Strict") && cookie.contains("; Max-Age=2592000"), "until the family ends: {cookie}");
        }
        assert!(refresh[2..].iter().all(|cookie| cookie.contains("Max-Age=0")), "{refresh:?}");
    }

    async fn over_plain_http_on_this_machine_the_refresh_cookie_goes_without_prefix(t: TestServer, Options::default().set("public_url", "http://localhost:8080")) {
        user(&t, ADA).await;
        let app = named_app(&t, json!({ "redirect_uris": ["http://localhost:5173/"] })).await;
        let request = t.client().request(Method::POST, "/api/v1/auth/sign-in")
            .header("content-type", "application/json")
            .header("origin", "http://localhost:5173")
            .header("sec-fetch-site", "same-site");
        let body = json!({ "client_id": app.client_id, "email": ADA, "password": PASSWORD });
        let answer = t.client().send(request.body(Bytes::from(body.to_string())).unwrap()).await;
        assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (200, Some("http://localhost:5173")));
        let cookie = answer.set_cookies().into_iter().find(|cookie| cookie.starts_with("refresh-")).unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    }

    async fn a100_json_answers_do_not_tell_whether_an_account_exists(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let disabled = user(&t, "ian@example.com").await;
        t.operator().post_json(&format!("/api/v1/users/{}/disable", text(&disabled, "id")), &json!({})).await;
        let mut seen = Vec::new();
        for (number, email) in [ADA, NOBODY, "ian@example.com"].into_iter().enumerate() {
            let from = format!("192.0.2.{number}");
            let mut page = Script { browser: t.browser_at(peer(&from)), origin: ORIGIN, client_id: app.client_id.clone() };
            let guessed = page.post("sign-in", json!({ "email": email, "password": OTHER_PASSWORD })).await;
            let signed_up = page.post("sign-up", json!({ "email": email, "password": OTHER_PASSWORD })).await;
            let flow = signed_up.json::<Value>()["flow"].clone();
            let resent = page.post("resend", json!({ "flow": flow })).await;
            let wrong = page.post("verify", json!({ "flow": flow, "code": "00000000" })).await;
            let recovered = page.post("recover", json!({ "email": email })).await;
            let flow = recovered.json::<Value>()["flow"].clone();
            let unproven = page.post("verify", json!({ "flow": flow, "code": "00000000" })).await;
            let answers = [guessed, signed_up, resent, wrong, recovered, unproven];
            seen.push(answers.each_ref().map(|answer| plain(answer, email)));
        }
        assert!(seen[0][0].starts_with("422") && seen[0][1].contains("confirm_sign_up"), "{:?}", seen[0]);
        assert_eq!(seen[0], seen[1], "nobody");
        assert_eq!(seen[0].len(), seen[2].len());
        for (of_ada, of_ian) in seen[0].iter().zip(&seen[2]) {
            // A longer address makes a longer answer; apart from that nothing differs.
            let without = |text: &str| text.lines().filter(|line| !line.starts_with("content-length")).collect::<Vec<_>>().join("\n");
            assert_eq!(without(of_ada), without(of_ian), "somebody disabled");
        }
    }

    async fn a101_by_json_too_the_same_is_written_for_everybody(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut written = Vec::new();
        for (email, from) in [(ADA, "192.0.2.1"), (NOBODY, "192.0.2.2")] {
            let mut page = Script { browser: t.browser_at(peer(from)), origin: ORIGIN, client_id: app.client_id.clone() };
            let mut rows = vec![t.durable_rows().await];
            for (step, body) in [
                ("sign-in", json!({ "email": email, "password": OTHER_PASSWORD })),
                ("recover", json!({ "email": email })),
                ("sign-up", json!({ "email": email, "password": OTHER_PASSWORD })),
            ] {
                page.post(step, body).await;
                rows.push(t.durable_rows().await);
            }
            written.push(rows.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>());
            t.deliver("main").await;
            assert_eq!(t.inbox().all().iter().filter(|received| received.mail.to == email).count(), 2, "{email}");
        }
        assert_eq!(written[0], written[1]);
        assert!(written[0].iter().all(|rows| *rows > 0), "{written:?}");
    }

    async fn a102_of_parallel_guesses_by_json_only_the_free_ones_are_judged(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let guesses: Vec<_> = (0..16u8)
            .map(|number| {
                let mut page = Script::new(t.browser_at(peer(&format!("198.51.100.{number}"))), &app);
                tokio::spawn(async move { page.post("sign-in", json!({ "email": ADA, "password": OTHER_PASSWORD })).await.status() })
            })
            .collect();
        for guess in guesses {
            assert_eq!(guess.await.unwrap(), 422);
        }
        let mut right = Script::new(t.browser_at(peer("203.0.113.9")), &app);
        let body = json!({ "email": ADA, "password": PASSWORD });
        assert_eq!(right.post("sign-in", body).await.status(), 422, "the counter is used up");
        t.clock().advance(Duration::from_mins(16));
        right.sign_in(ADA).await;
    }

    async fn a103_pages_and_json_share_one_counter_for_every_spelling(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        for (number, name) in [ADA, "ADA@example.com", " Ada@EXAMPLE.com "].iter().enumerate() {
            guess(&t, &app.client_id, &format!("198.51.100.{number}"), name).await;
        }
        for (number, name) in ["aDa@example.com", "ada@ｅxample.com"].iter().enumerate() {
            let mut browser = t.browser_at(peer(&format!("198.51.100.1{number}")));
            crate::people::sign_in_at(&mut browser, "", name, OTHER_PASSWORD).await;
        }
        let mut right = Script::new(t.browser_at(peer("203.0.113.9")), &app);
        let refused = right.post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await;
        assert_eq!(refused.status(), 422, "five variants are five guesses at one account");
    }

    async fn a104_addresses_of_one_network_share_one_counter_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        for number in 0..20 {
            let answer = guess(&t, &app.client_id, &format!("2001:db8:0:0:{number:x}::1"), &format!("nobody{number}@example.com")).await;
            assert_eq!(answer.status(), 422);
        }
        let body = json!({ "email": ADA, "password": PASSWORD });
        let limited = Script::new(t.browser_at(peer("2001:db8::ffff")), &app).post("sign-in", body.clone()).await;
        assert_eq!((limited.status(), limited.code().as_str()), (429, "too_many_attempts"));
        assert_eq!(limited.header("retry-after"), Some("900"));
        let told = limited.header("access-control-expose-headers").unwrap();
        assert!(told.contains("retry-after"), "the script may read when to come back: {told}");
        assert_eq!(Script::new(t.browser_at(peer("2001:db8:0:1::1")), &app).post("sign-in", body).await.status(), 200);
    }

    async fn a110_a_full_queue_of_hashes_answers_json_with_503_and_sessions_go_on(t: TestServer, Options::default().slow_hashes()) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let guesses: Vec<_> = (0..24u8)
            .map(|number| {
                let mut page = Script::new(t.browser_at(peer(&format!("198.51.100.{number}"))), &app);
                let body = json!({ "email": format!("nobody{number}@example.com"), "password": PASSWORD });
                tokio::spawn(async move {
                    let answer = page.post("sign-in", body).await;
                    (answer.status(), answer.header("retry-after").is_some())
                })
            })
            .collect();
        assert_eq!(page.ask(Method::GET, "session").await.status(), 200);
        let mut shed = 0;
        for guess in guesses {
            match guess.await.unwrap() {
                (422, false) => {}
                (503, true) => shed += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(shed > 0, "a queue of two cannot take 24");
    }

    async fn f32_with_the_store_away_nobody_is_told_to_drop_a_token_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        let kept = page.refresh_cookie().map(|(_, value)| value.to_owned());
        t.services().store.close().await;
        let refreshed = page.refresh().await;
        let fresh = Script::new(t.browser(), &app).post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await;
        let out = page.post("sign-out", json!({})).await;
        let listed = page.ask(Method::GET, "sessions").await;
        for answer in [refreshed, fresh, out, listed] {
            assert_eq!((answer.status(), answer.code().as_str()), (503, "unavailable"));
            assert!(answer.header("retry-after").is_some() && answer.set_cookies().is_empty());
        }
        assert_eq!(page.refresh_cookie().map(|(_, value)| value.to_owned()), kept);
    }

    async fn a202_no_secret_of_the_json_surface_reaches_the_log(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser_at(peer("192.0.2.7")), &app);
        let ((token, refresh), log) = crate::people::logged(async {
            let token = text(&page.sign_in(ADA).await, "access_token");
            page.refresh().await;
            (token, page.refresh_cookie().unwrap().1.to_owned())
        }).await;
        assert!(log.contains("/api/v1/auth/sign-in"), "{log}");
        for secret in [PASSWORD, &token, &refresh, page.browser.cookie("__Host-sid").unwrap()] {
            assert!(!log.contains(secret), "the log holds {secret}");
        }
    }
}
