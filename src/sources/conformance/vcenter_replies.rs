//! A vCenter without events: it logs in everyone, and its history does not change.

use std::collections::VecDeque;

use super::stand_in::raw_reply;
use crate::test_support::scripted_server::{ReceivedRequest, Step, reply};

const CONTENT: &str = "<rootFolder type=\"Folder\">group-d1</rootFolder>\
    <propertyCollector type=\"PropertyCollector\">p</propertyCollector>\
    <about><apiType>VirtualCenter</apiType><instanceUuid>dbed6e0c</instanceUuid></about>\
    <sessionManager type=\"SessionManager\">s</sessionManager><eventManager type=\"EventManager\">e</eventManager>";

/// A message is sent instead of an answer, as long as there are others after it.
pub(super) fn answer(request: &ReceivedRequest, messages: &mut VecDeque<Vec<u8>>) -> Step {
    if messages.len() > 1 {
        return raw_reply(&messages.pop_front().unwrap_or_default());
    }
    let Some((_, call)) = request.body.split_once("<soapenv:Body><") else { return reply(404, "", "") };
    let name = call.split([' ', '>']).next().unwrap_or_default();
    let content = match name {
        "RetrieveServiceContent" => format!("<returnval>{CONTENT}</returnval>"),
        "Login" => "<returnval><key>s3cr3t-session</key></returnval>".to_owned(),
        "CurrentTime" => format!("<returnval>{}</returnval>", jiff::Timestamp::now()),
        "CreateCollectorForEvents" => "<returnval type=\"EventHistoryCollector\">c</returnval>".to_owned(),
        "CreatePropertyCollector" => "<returnval type=\"PropertyCollector\">w</returnval>".to_owned(),
        "WaitForUpdatesEx" if call.contains("<version>1</version>") => return Step::Stall,
        "WaitForUpdatesEx" => "<returnval><version>1</version></returnval>".to_owned(),
        _ => String::new(),
    };
    let body = format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
         <{name}Response xmlns=\"urn:vim25\">{content}</{name}Response></soapenv:Body></soapenv:Envelope>"
    );
    reply(200, "Set-Cookie: vmware_soap_session=s3cr3t-cookie; HttpOnly\r\n", &body)
}
