//! One session for several users.

use super::*;

fn pool(url: &str) -> SessionPool {
    let mut pool = SessionPool::new(account(url), &Outbound::new());
    pool.client.deadlines = LONG;
    pool
}

fn log_in_acts() -> [Step; 4] {
    [versions(), ok(captured::CONTENT), logged_in(), ok(captured::TIME)]
}

fn logged_out() -> Step {
    ok("<LogoutResponse xmlns=\"urn:vim25\"></LogoutResponse>")
}

/// The names of all calls so far, without the GET of the versions.
fn calls(server: &ScriptedServer) -> Vec<String> {
    let posts = server.requests().into_iter().filter(|seen| seen.head.starts_with("POST"));
    posts.map(|seen| body_of(&seen).split([' ', '<']).nth(1).expect("a name").to_owned()).collect()
}

const LOG_IN: [&str; 3] = ["RetrieveServiceContent", "Login", "CurrentTime"];

#[tokio::test]
async fn users_that_come_at_once_share_one_log_in() {
    let server = ScriptedServer::start(Vec::from(log_in_acts())).await;
    let (pool, stop) = (pool(&server.url), Stop::new());
    let (first, second) = tokio::join!(pool.session(&stop), pool.session(&stop));
    let (first, second) = (first.expect("logged in").expect("a session"), second.expect("shared").expect("a session"));
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert_eq!(calls(&server), LOG_IN);
}

#[tokio::test]
async fn a_call_that_finds_the_session_lost_waits_for_the_next_one_and_runs_again() {
    let acts = log_in_acts().into_iter().chain([faults("NotAuthenticated", "", "")]);
    let acts: Vec<_> = acts.chain([logged_out()]).chain(log_in_acts()).chain([ok(captured::TIME)]).collect();
    let server = ScriptedServer::start(acts).await;
    let (pool, stop) = (pool(&server.url), Stop::new());
    let session = pool.session(&stop).await.expect("logged in").expect("a session");
    let look_up = pool.call(|session| async move { session.current_time().await });
    let other_user = async {
        pool.replaced(&session).await;
        pool.close(&session).await;
        pool.session(&stop).await.expect("logged in again").expect("a session")
    };
    let (time, next) = tokio::join!(look_up, other_user);
    assert_eq!(time.expect("the time").to_string(), "2026-11-20T21:49:17.77878241Z");
    assert!(!std::sync::Arc::ptr_eq(&session, &next));
    let calls = calls(&server);
    assert_eq!(calls[..3], LOG_IN);
    assert_eq!(calls[3..5], ["CurrentTime", "Logout"]);
    assert_eq!(calls[5..8], LOG_IN);
    assert_eq!(calls.len(), 9);
}

#[tokio::test]
async fn refused_credentials_are_not_sent_again_for_another_user() {
    let server = ScriptedServer::start(vec![versions(), ok(captured::CONTENT), faults("InvalidLogin", "", "")]).await;
    let (pool, stop) = (pool(&server.url), Stop::new());
    for _ in 0..3 {
        let error = pool.session(&stop).await.expect_err("refused");
        assert!(matches!(error, ApiError::LoginRefused(_)), "{error:?}");
    }
    assert_eq!(calls(&server), LOG_IN[..2]);
}

#[tokio::test]
async fn closing_logs_out_and_the_sessions_of_the_pool_are_its_own() {
    let server = ScriptedServer::start(log_in_acts().into_iter().chain([logged_out()]).collect::<Vec<_>>()).await;
    let (pool, stop) = (pool(&server.url), Stop::new());
    let session = pool.session(&stop).await.expect("logged in").expect("a session");
    pool.close(&session).await;
    pool.replaced(&session).await;
    assert_eq!(calls(&server).last().map(String::as_str), Some("Logout"));
    let event = format!(
        "<Event xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"UserLogoutSessionEvent\">\
         <sessionId>{KEY}</sessionId></Event>"
    );
    let event = super::super::parse(event.as_bytes()).expect("XML");
    assert!(pool.own_sessions.caused(&event));
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_another_users_log_in() {
    let server = ScriptedServer::start(vec![versions(), Step::Stall]).await;
    let (pool, stop) = (pool(&server.url), Stop::new());
    let (first, second, ()) = tokio::join!(pool.session(&stop), pool.session(&stop), async {
        server.wait_for(2).await;
        stop.trigger();
    });
    assert!(matches!((&first, &second), (Ok(None), Ok(None))), "{first:?} {second:?}");
}
