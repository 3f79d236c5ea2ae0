//! The calls, within a session.

use jiff::Timestamp;

use super::history::{Filter, NewEvent};
use super::inventory::{self, Found};
use super::soap::{self, Node, response};
use super::state::{PropertyCollector, SoapFault, State, fail, not_there};
use super::{LogEvents, USER};

impl State {
    pub(super) fn answer(&mut self, session: &str, call: &Node) -> Result<String, SoapFault> {
        let name = call.name.as_str();
        let this = call.child("_this").cloned().unwrap_or_default();
        let returned = match name {
            "CurrentTime" => format!("<returnval>{:.6}</returnval>", self.history.now()),
            "Logout" => {
                self.log_out(session);
                String::new()
            }
            "CreateCollectorForEvents" => {
                let (filter, page) = filter_of(call)?;
                let id = self.make_collector(session, filter, page)?;
                format!("<returnval type=\"EventHistoryCollector\">{id}</returnval>")
            }
            "ReadNextEvents" => {
                let max: usize = call.text_at(&["maxCount"]).parse().unwrap_or(0);
                if !(1..=1000).contains(&max) {
                    return fail("InvalidArgument", "maxCount");
                }
                let mut page = String::new();
                for entry in self.read_next(session, &this, max)? {
                    entry.write("returnval", &mut page);
                }
                page
            }
            "RetrievePropertiesEx" => format!("<returnval>{}</returnval>", self.retrieve(session, call)?),
            "CreatePropertyCollector" => {
                let id = self.new_id(session);
                let property_collectors =
                    self.sessions.get_mut(session).map(|objects| &mut objects.property_collectors);
                property_collectors
                    .map(|property_collectors| property_collectors.insert(id.clone(), PropertyCollector::default()));
                format!("<returnval type=\"PropertyCollector\">{id}</returnval>")
            }
            "CreateFilter" => {
                let id = self.new_id(session);
                let set = call.child("spec").and_then(|spec| spec.child("objectSet"));
                let page = set.and_then(|set| set.child("obj")).cloned().unwrap_or_default();
                let Some(objects) = self.sessions.get_mut(session) else { return fail("NotAuthenticated", "") };
                if !objects.collectors.contains_key(&page.text) {
                    return not_there(&page);
                }
                let Some(property_collector) = objects.property_collectors.get_mut(&this.text) else {
                    return not_there(&this);
                };
                property_collector.watched = Some((id.clone(), page.text));
                format!("<returnval type=\"PropertyFilter\">{id}</returnval>")
            }
            "CancelWaitForUpdates" => {
                let objects = self.sessions.get_mut(session);
                let Some(property_collector) =
                    objects.and_then(|objects| objects.property_collectors.get_mut(&this.text))
                else {
                    return not_there(&this);
                };
                property_collector.cancelled = true;
                String::new()
            }
            "DestroyCollector" | "DestroyPropertyCollector" => {
                let Some(objects) = self.sessions.get_mut(session) else { return fail("NotAuthenticated", "") };
                let was_there = objects.collectors.remove(&this.text).is_some()
                    | objects.property_collectors.remove(&this.text).is_some();
                if !was_there {
                    return not_there(&this);
                }
                String::new()
            }
            "DestroyPropertyFilter" => String::new(),
            "LogUserEvent" => self.log_user_event(call)?,
            other => {
                self.violations.push(format!("{other} is not supported here"));
                return fail("MethodNotFound", other);
            }
        };
        Ok(response(name, &returned))
    }

    fn retrieve(&self, session: &str, call: &Node) -> Result<String, SoapFault> {
        let Some(spec) = call.child("specSet") else { return fail("InvalidArgument", "specSet") };
        let obj = spec.child("objectSet").and_then(|set| set.child("obj")).cloned().unwrap_or_default();
        if obj.kind != "EventHistoryCollector" {
            return match inventory::retrieve(spec) {
                Found::Objects(objects) => Ok(objects),
                Found::Gone { kind, id } => not_there(&Node { kind, text: id, ..Node::default() }),
                Found::WrongPath(path) => {
                    Err(SoapFault("InvalidProperty", path.clone(), format!("<name>{path}</name>")))
                }
            };
        }
        let mut page = String::new();
        for entry in self.latest_page(session, &obj)? {
            entry.write("Event", &mut page);
        }
        Ok(format!(
            "<objects><obj type=\"EventHistoryCollector\">{}</obj><propSet><name>latestPage</name>\
             <val xsi:type=\"ArrayOfEvent\">{page}</val></propSet></objects>",
            obj.text
        ))
    }

    fn log_user_event(&mut self, call: &Node) -> Result<String, SoapFault> {
        let message = call.text_at(&["msg"]).to_owned();
        match self.log_events {
            LogEvents::Forbidden => return fail("NoPermission", "Keine Berechtigung."),
            LogEvents::Dropped => {}
            LogEvents::Recorded => {
                let rest = format!("<message>{}</message>", soap::escaped(&message));
                let message = format!("User logged event: {message}");
                self.history.push(USER, NewEvent::Other { class: "GeneralUserEvent", message, rest });
            }
        }
        Ok(String::new())
    }
}

fn filter_of(call: &Node) -> Result<(Filter, usize), SoapFault> {
    let Some(filter) = call.child("filter") else { return fail("InvalidArgument", "filter") };
    let begin = match filter.text_at(&["time", "beginTime"]) {
        "" => None,
        time => match time.parse::<Timestamp>() {
            Ok(time) => Some(time),
            Err(_) => return fail("InvalidArgument", "filter.time.beginTime"),
        },
    };
    let texts = |node: &Node, name: &str| node.all(name).map(|one| one.text.clone()).collect::<Vec<_>>();
    let users = filter.child("userName").map(|users| texts(users, "userList")).unwrap_or_default();
    let entity = filter.child("entity").and_then(|entity| entity.child("entity"));
    let elsewhere = entity.is_some_and(|entity| !["group-d1", "datacenter-2", "vm-42"].contains(&entity.text.as_str()));
    let page: usize = filter.text_at(&["maxCount"]).parse().unwrap_or(10);
    if !(1..=1000).contains(&page) {
        return fail("InvalidArgument", "filter.maxCount");
    }
    Ok((Filter { begin, types: texts(filter, "eventTypeId"), users, elsewhere }, page))
}
