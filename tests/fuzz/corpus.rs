//! Real payloads, from which the mutants are made. A post is its headers, an empty line, and its body.

pub(crate) fn soap() -> Vec<Vec<u8>> {
    let envelope = |body: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        )
    };
    [
        "<ReadNextEventsResponse xmlns=\"urn:vim25\"><returnval xmlns:XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\" XMLSchema-instance:type=\"VmPoweredOnEvent\"><key>25</key><chainId>25</chainId><createdTime>2026-11-20T21:49:15.84Z</createdTime><userName></userName><vm><name>web &amp; co &#228;</name><vm type=\"VirtualMachine\">vm-66</vm></vm><fullFormattedMessage>web is powered on</fullFormattedMessage><template>false</template></returnval></ReadNextEventsResponse>",
        "<RetrievePropertiesExResponse xmlns=\"urn:vim25\"><returnval><objects><obj type=\"EventHistoryCollector\">session[52e72df4]4d6f</obj><propSet><name>latestPage</name><val xsi:type=\"ArrayOfEvent\"><Event xsi:type=\"EventEx\"><key>-2147483648</key><eventTypeId>com.vmware.vc.ha</eventTypeId><arguments><key>a</key><value xsi:type=\"xsd:string\"><![CDATA[x<y]]></value></arguments></Event></val></propSet></objects></returnval></RetrievePropertiesExResponse>",
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>The session is not authenticated.</faultstring><detail><NotAuthenticatedFault xsi:type=\"NotAuthenticated\"><object type=\"Folder\">group-d1</object><privilegeId>System.View</privilegeId></NotAuthenticatedFault></detail></soapenv:Fault>",
        "<LoginResponse xmlns=\"urn:vim25\"><returnval><key>52e7</key><userName>ops</userName><loginTime>2026-11-20T21:49:17Z</loginTime></returnval></LoginResponse>",
    ]
    .into_iter()
    .map(|body| envelope(body).into_bytes())
    .chain([b"<html><body><h1>503 Service Unavailable</h1></body></html>".to_vec()])
    .collect()
}

const STRUCTURED: &str = r#"{"specversion":"1.0","id":"A234","source":"https://example.com/s","type":"com.example.opened","subject":"123","time":"2018-04-05T17:31:00Z","datacontenttype":"application/json","data":{"things":[{"n":1},{"n":2}],"kind":"x"}}"#;

pub(crate) fn posts() -> Vec<Vec<u8>> {
    let json = "content-type: application/json\n";
    [
        format!("{json}webhook-id: msg_1\n\n{{\"kind\":\"order.paid\",\"id\":\"17\",\"at\":\"2026-11-20T10:00:00Z\",\"things\":[{{\"n\":1}},{{\"n\":2.5e3}}]}}"),
        format!("{json}\n[{{\"kind\":\"a\"}},null,[1,2],\"\\u00e9\\ud83d\\ude00\",true]"),
        format!("{json}\n\u{feff}{{\"at\":1700000000123,\"kind\":[1],\"things\":{{}}}}"),
        "content-type: application/x-www-form-urlencoded\n\npayload=%7B%22kind%22%3A%22push%22%7D&x=1".to_owned(),
        "content-type: application/x-www-form-urlencoded\n\na=1&a=2&kind=order+paid&things=%5B%5D&%C3%A9=%F0%9F%98%80".to_owned(),
        "content-type: text/plain; charset=utf-8\n\n{}".to_owned(),
        format!("content-type: application/cloudevents+json; charset=utf-8\n\n{STRUCTURED}"),
        format!("content-type: application/cloudevents-batch+json\n\n[{STRUCTURED},{STRUCTURED}]"),
        format!("{json}ce-specversion: 1.0\nce-id: 1%20%E2%82%AC\nce-source: /s\nce-type: \"a \\\"b\\\"\"\nce-time: 2018-04-05T17:31:00+02:00\nce-subject: x\n\n{{\"n\":1}}"),
        "ce-specversion: 0.3\nce-id: 1\nce-source: /s\nce-type: t\n\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub(crate) const POST_WORDS: &[&str] = &[
    "content-type: ",
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "\n\n",
    "\n",
    "application/x-www-form-urlencoded",
    "+json",
    "; charset=",
    "ce-specversion: 1.0\nce-id: 1\nce-source: /\nce-type: t\n",
    "ce-time: ",
    "webhook-id: ",
    "payload=",
    "things",
    "kind",
    "\"id\":",
    "\"time\":",
    "specversion",
    "data",
    "&",
    "=",
    "%",
    "+",
    "null",
    "[]",
    "{}",
    ",",
];

pub(crate) fn github() -> Vec<Vec<u8>> {
    [
        "x-github-event: issues\nx-github-delivery: d-1\ncontent-type: application/json\n\n{\"action\":\"opened\",\"issue\":{\"number\":1,\"html_url\":\"https://github.com/o/h/issues/1\",\"updated_at\":\"2026-11-20T10:00:00Z\"},\"repository\":{\"full_name\":\"octo/hello\"},\"sender\":{\"login\":\"octo\"}}",
        "x-github-event: push\nx-github-delivery: d-2\ncontent-type: application/x-www-form-urlencoded\n\npayload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%2C%22commits%22%3A%5B%5D%2C%22head_commit%22%3Anull%7D",
        "x-github-event: ping\n\n{\"zen\":\"Keep it logically awesome.\",\"hook_id\":1,\"organization\":{\"login\":\"o\"}}",
        "x-github-event: workflow_run\nx-github-delivery: d-3\n\n{\"action\":\"completed\",\"workflow_run\":{\"conclusion\":\"failure\",\"run_number\":7,\"name\":\"CI\"},\"repository\":{\"full_name\":\"o/h\"}}",
    ]
    .map(|post| post.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn alertmanager() -> Vec<Vec<u8>> {
    [
        "content-type: application/json\n\n{\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"Down\\\"}\",\"truncatedAlerts\":0,\"status\":\"firing\",\"receiver\":\"t\",\"groupLabels\":{},\"commonLabels\":{\"alertname\":\"Down\"},\"externalURL\":\"http://am:9093\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"Down\",\"instance\":\"web:9100\"},\"annotations\":{\"summary\":\"web is down\"},\"startsAt\":\"2026-11-20T10:00:00Z\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"\",\"fingerprint\":\"4fe1\"},{\"status\":\"resolved\",\"labels\":{},\"startsAt\":\"2026-11-20T10:00:00Z\",\"endsAt\":\"2026-11-20T11:00:00Z\",\"fingerprint\":\"4fe2\"}]}",
        "content-type: application/json\n\n{\"alerts\":[]}",
    ]
    .map(|post| post.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn registries() -> Vec<Vec<u8>> {
    let post = |body: &str| format!("content-type: application/json\n\n{body}").into_bytes();
    [
        r#"{"type":"TAG_PUSH","createdAt":"2019-05-15T19:39:40.607337713Z","contents":{"namespace":"acme","repository":"shop","tag":"1.4","digest":"sha256:bbb6","imageName":"dtr.example.com/acme/shop:1.4","os":"linux","author":"ops","pushedAt":"2015-01-02T15:04:05Z"},"location":"/repositories/acme/shop/tags/1.4"}"#,
        r#"{"type":"SCAN_COMPLETED","createdAt":"2019-05-15T19:39:40Z","contents":{"namespace":"acme","repository":"shop","tag":"1.4","scanSummary":{"namespace":"acme","reponame":"shop","tag":"1.4","critical":1,"major":11,"minor":3,"last_scan_status":6,"check_completed_at":"2018-09-05T03:06:03.741Z","should_rescan":false}}}"#,
        r#"{"type":"REPO_EVENT","contents":{"event":"REPO_DELETED","namespace":"acme","repository":"shop"}}"#,
        r#"{"type":"PUSH_ARTIFACT","occur_at":1680501893,"operator":"harbor-jobservice","event_data":{"resources":[{"digest":"sha256:9e2c","tag":"latest","resource_url":"harbor.example.com/acme/shop:latest"}],"repository":{"date_created":1677053165,"name":"shop","namespace":"acme","repo_full_name":"acme/shop","repo_type":"private"}}}"#,
        r#"{"type":"SCANNING_COMPLETED","occur_at":1680502375,"operator":"auto","event_data":{"resources":[{"digest":"sha256:9e2c","tag":"latest","scan_overview":{"application/vnd.security.vulnerability.report; version=1.1":{"severity":"High","scan_status":"Success","summary":{"total":3,"fixable":1,"summary":{"High":1,"Low":2}}}}}],"repository":{"repo_full_name":"acme/shop"}}}"#,
        r#"{"push_data":{"pushed_at":1417566161,"pusher":"robot","tag":"1.4","images":["a"]},"callback_url":"https://registry.hub.docker.com/u/acme/shop/hook/2141/","repository":{"name":"shop","namespace":"acme","repo_name":"acme/shop","repo_url":"https://registry.hub.docker.com/u/acme/shop/","date_created":1.417494799e+09}}"#,
    ]
    .into_iter()
    .map(post)
    .collect()
}

/// Messages of a stream like Tutum's.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    [
        r#"{"type":"auth"}"#,
        r#"{"type":"service","action":"update","parents":["/api/v1/stack/f24b/"],"resource_uri":"/api/v1/service/49f0/","state":"Running","datetime":"2016-02-01T16:47:28Z"}"#,
        "{\"type\":\"container\",\"action\":\"create\"}\n{\"type\":\"user-notifications\",\"x\":[1]}\n{\"type\":\"hello\"}",
        r#"{"type":"error","data":{"errorMessage":"QUOTA"}}"#,
        "[1,2]\n17\nnull\n\"text\"",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Frames after a handshake, unmasked as a server sends them.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let frame = |first: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).expect("short");
        let head = match u8::try_from(length) {
            Ok(short @ ..126) => vec![first, short],
            _ => [&[first, 126][..], &length.to_be_bytes()].concat(),
        };
        [&head, payload].concat()
    };
    let text = br#"{"kind":"order.paid","n":1}"#;
    vec![
        [frame(0x81, text), frame(0x88, &[3, 232, b'b', b'y', b'e'])].concat(),
        [frame(0x01, &text[..10]), frame(0x89, b"ping"), frame(0x80, &text[10..])].concat(),
        [frame(0x82, text), frame(0x8a, b""), frame(0x82, &[0xff, 0xfe])].concat(),
        frame(0x81, &[b' '; 300]),
        [&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 4][..], b"null"].concat(),
        [frame(0xc1, text), frame(0x83, b"x")].concat(),
    ]
}

/// HTTP answers of chats and APIs.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let answer = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    [
        answer("200 OK", "", "ok"),
        answer("200 OK", "", r#"{"ok":true,"channel":"C024BE91L","ts":"1503435956.000247","message":{"text":"x"}}"#),
        answer("200 OK", "", r#"{"ok":false,"error":"channel_is_archived","response_metadata":{"messages":["[ERROR]"]}}"#),
        answer("200 OK", "", r#"{"name":"spaces/A/messages/B","thread":{"name":"spaces/A/threads/B"}}"#),
        answer("202 Accepted", "", r#"{"status":"success","message":"Event processed","dedup_key":"prod/web"}"#),
        answer("200 OK", "", r#"{"took":3,"errors":true,"items":[{"create":{"status":429,"error":{"type":"es_rejected","reason":"full"}}},{"create":{"status":201}}]}"#),
        answer("400 Bad Request", "", r#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"},"errors":["x"]}"#),
        answer("429 Too Many Requests", "Retry-After: 30\r\n", "rate_limited"),
        answer("429 Too Many Requests", "Retry-After: Sun, 06 Nov 2094 08:49:37 GMT\r\n", r#"{"retry_after":0.65,"global":false}"#),
        answer("503 Service Unavailable", "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n", "<html>later</html>"),
        answer("302 Found", "Location: http://169.254.169.254/\r\n", ""),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub(crate) const ANSWER_WORDS: &[&str] = &[
    "HTTP/1.1 ",
    "\r\n",
    "\r\n\r\n",
    "Retry-After: ",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: gzip\r\n",
    "200",
    "202",
    "204",
    "400",
    "403",
    "404",
    "413",
    "429",
    "500",
    "503",
    "\"ok\":true",
    "\"ok\":false",
    "\"error\":",
    "\"ts\":",
    "\"items\":",
    "ratelimited",
    "\"status\":",
    "\"thread\":",
    "invalid_blocks",
    "message_not_found",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "inf",
    "NaN",
    "0.",
    "1e9",
];
