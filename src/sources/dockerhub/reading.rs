//! One notification of Docker Hub's, read: <https://docs.docker.com/docker-hub/repos/manage/webhooks/>

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::event::Event;
use crate::sources::labels::{Arrived, Known, moment};
use crate::sources::posted::Unreadable;
use crate::sources::registry::{image, notification, text};

/// `tag.push` of `namespace/repository:tag`. Nothing is sent, nothing kept.
pub(super) fn events_of(headers: &HeaderMap, bytes: &[u8], arrived: Arrived) -> Result<Vec<Event>, Unreadable> {
    let data = notification(headers, bytes)?;
    let known = known(data.value());
    Ok(vec![known.event(data, arrived)])
}

fn known(said: &Value) -> Known {
    // What it will say of things that are no push, it will not call one.
    let is_push = said.get("push_data").is_some_and(Value::is_object);
    let name = text(said, "/repository/repo_name")
        .map(str::to_owned)
        .or_else(|| Some(format!("{}/{}", text(said, "/repository/namespace")?, text(said, "/repository/name")?)));
    let tag = text(said, "/push_data/tag");
    // Once these were numbers with a point, once without.
    let time = said.pointer("/push_data/pushed_at").and_then(|at| match at {
        Value::Number(seconds) => moment(&seconds.to_string()),
        Value::String(text) => moment(text),
        _ => None,
    });
    // It has no id, but there are not two pushes of one tag at one time. What counts stars changes in between.
    let id = match (&name, time) {
        (Some(name), Some(time)) => Some(format!("{} {time}", image(name, tag, None))),
        _ => None,
    };
    Known {
        r#type: is_push.then(|| "tag.push".to_owned()),
        id,
        subject: name.map(|name| image(&name, tag, None)),
        time,
    }
}
