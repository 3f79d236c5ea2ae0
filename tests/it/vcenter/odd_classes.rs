//! Classes that the simulator never sends, and some that nobody has heard of yet.

use super::house::{column, holds_exactly, keeping, to_scripted, up};
use super::scripted::{PASSWORD, Scripted, What};

#[tokio::test]
async fn every_class_comes_through_whether_it_is_known_or_not() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    let other = |class, message: &str, rest: &str| {
        vcenter.happens(What::Other { class, message: message.to_owned(), rest: rest.to_owned() });
    };
    vcenter.burst(0..1);
    other(
        "EventEx",
        "",
        "<eventTypeId>com.vmware.vc.HA.ClusterFailoverInProgressEvent</eventTypeId><severity>warning</severity>\
         <message>failover &lt;now&gt;</message><arguments><key>disk</key><value xsi:type=\"xsd:string\">sda</value></arguments>\
         <objectId>domain-c8</objectId><objectType>ClusterComputeResource</objectType><objectName>C0</objectName>",
    );
    other(
        "ExtendedEvent",
        "extended",
        "<message>ext</message><eventTypeId>com.example.ext</eventTypeId><managedObject type=\"VirtualMachine\">vm-42</managedObject>\
         <data><key>a</key><value>b</value></data>",
    );
    other(
        "AlarmStatusChangedEvent",
        "Alarm 'CPU' on web-01 changed from Green to Red",
        "<alarm><name>CPU</name><alarm type=\"Alarm\">alarm-1</alarm></alarm><source><name>f</name><entity type=\"Folder\">group-v3</entity></source>\
         <entity><name>web-01</name><entity type=\"VirtualMachine\">vm-42</entity></entity><from>green</from><to>red</to>",
    );
    other(
        "TaskEvent",
        "Task: Create snapshot",
        "<info><key>task-9</key><task type=\"Task\">task-9</task><name>CreateSnapshot_Task</name>\
         <descriptionId>VirtualMachine.createSnapshot</descriptionId><entity type=\"VirtualMachine\">vm-42</entity>\
         <entityName>web-01</entityName><state>queued</state></info>",
    );
    other(
        "VmShinyNewEvent",
        "shiny \u{1f389}",
        "<brandNew><deep><deeper xsi:type=\"ArrayOfNovelty\"><Novelty>1</Novelty></deeper></deep></brandNew>",
    );
    for fields in [
        "",
        "<key>no number</key><createdTime>2026-01-01T00:00:00Z</createdTime>",
        "<key>7</key><createdTime>yesterday</createdTime>",
        "<key><key><key>7</key></key></key>",
    ] {
        vcenter.happens(What::Odd { class: "VmOddEvent", fields });
    }
    vcenter.burst(1..2);
    holds_exactly(&daemon, 0..2).await;
    assert_eq!(
        column(&daemon, "type", "type <> 'vm.odd'"),
        [
            "vm.powered.on",
            "com.vmware.vc.HA.ClusterFailoverInProgressEvent",
            "com.example.ext",
            "alarm.status.changed",
            "task",
            "vm.shiny.new",
            "vm.powered.on",
        ],
        "{}",
        daemon.log()
    );
    let one = |what: &str, class: &str| {
        let what = format!("json_extract(body, '{what}')");
        column(&daemon, &what, &format!("json_extract(body, '$.class') = '{class}'")).concat()
    };
    assert_eq!(one("$.message", "EventEx"), "failover <now>");
    assert_eq!(one("$.arguments.disk", "EventEx"), "sda");
    assert_eq!(one("$.vm.id", "AlarmStatusChangedEvent"), "VirtualMachine:vm-42");
    assert_eq!(one("$.to", "AlarmStatusChangedEvent"), "red");
    assert_eq!(one("$.message", "VmShinyNewEvent"), "shiny \u{1f389}");
    assert_eq!(one("$.host.name", "VmShinyNewEvent"), "esx-01");
    assert_eq!(column(&daemon, "subject", "type = 'alarm.status.changed'"), ["web-01"]);
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn what_a_filter_leaves_out_is_not_even_sent() {
    let vcenter = Scripted::start();
    let filtered = |filter: &str| format!("{}\nfilter = {filter}", to_scripted(&vcenter));
    let by_type = filtered(r#"{ types = ["VmPoweredOnEvent", "com.example.disk.failed"] }"#);
    let by_user = filtered(r#"{ users = ["storm"], entity = "VirtualMachine:vm-42" }"#);
    let elsewhere = filtered(r#"{ entity = "VirtualMachine:vm-43" }"#);
    let daemons =
        [keeping(&by_type, PASSWORD).await, keeping(&by_user, PASSWORD).await, keeping(&elsewhere, PASSWORD).await];
    for daemon in &daemons {
        up(daemon).await;
    }
    let [by_type, by_user, elsewhere] = daemons;
    vcenter.plain("VmRemovedEvent", "removed");
    let rest = "<eventTypeId>com.example.disk.failed</eventTypeId><message>disk</message>".to_owned();
    vcenter.happens(What::Other { class: "EventEx", message: "disk".to_owned(), rest });
    vcenter.burst(0..200);
    holds_exactly(&by_type, 0..200).await;
    holds_exactly(&by_user, 0..200).await;
    assert_eq!(column(&by_type, "type", "type <> 'vm.powered.on'"), ["com.example.disk.failed"]);
    assert_eq!(column(&by_user, "type", "type <> 'vm.powered.on'"), [""; 0]);
    assert_eq!(column(&elsewhere, "type", "true"), [""; 0]);
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn a_machine_is_fetched_with_its_folders_even_when_one_has_a_slash_in_its_name() {
    use tidings::demo::standins::Slack;

    use super::house::{OPS, hearing, with_slack};
    use crate::daemon::LIMIT;

    let vcenter = Scripted::start();
    let slack = Slack::start().await.expect("loopback");
    let config = format!(
        r#"{}{OPS}
        [[relay]]
        name = "on"
        from = "vc"
        match = {{ type = "vm.powered.on" }}
        fetch.vm = "{{{{ data.vm.id }}}}"
        text = "{{{{ vm.name }}}} in {{{{ vm.path }}}}: {{{{ vm.annotation }}}}"
        to = "ops"
        "#,
        hearing(&to_scripted(&vcenter), ""),
    );
    let daemon = with_slack(&config, PASSWORD, &slack).await;
    up(&daemon).await;
    vcenter.burst(0..3);
    for _ in 0..3 {
        let text = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
        assert_eq!(text, "web-01 in /DC0/vm/Web/Shop/web-01: owner: ops &lt;db&gt; &amp; co");
    }
    assert_eq!(vcenter.offences(), [""; 0]);
}
