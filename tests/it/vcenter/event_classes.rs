//! Event classes that the simulator never sends, and unknown ones.

use super::harness::{assert_stored, column, scripted_source, start_relaying, until_up};
use super::scripted::{NewEvent, PASSWORD, ScriptedVcenter};

#[tokio::test]
async fn known_and_unknown_classes_are_relayed() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    let other = |class, message: &str, rest: &str| {
        vcenter.add(NewEvent::Other { class, message: message.to_owned(), rest: rest.to_owned() });
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
        vcenter.add(NewEvent::Malformed { class: "VmOddEvent", fields });
    }
    vcenter.burst(1..2);
    assert_stored(&daemon, 0..2).await;
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
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn the_filter_is_applied_by_vcenter() {
    let vcenter = ScriptedVcenter::start();
    let filtered = |filter: &str| format!("{}\nfilter = {filter}", scripted_source(&vcenter));
    let by_type = filtered(r#"{ types = ["VmPoweredOnEvent", "com.example.disk.failed"] }"#);
    let by_user = filtered(r#"{ users = ["storm"], entity = "VirtualMachine:vm-42" }"#);
    let elsewhere = filtered(r#"{ entity = "VirtualMachine:vm-43" }"#);
    let daemons = [
        start_relaying(&by_type, PASSWORD).await,
        start_relaying(&by_user, PASSWORD).await,
        start_relaying(&elsewhere, PASSWORD).await,
    ];
    for daemon in &daemons {
        until_up(daemon).await;
    }
    let [by_type, by_user, elsewhere] = daemons;
    vcenter.add_plain("VmRemovedEvent", "removed");
    let rest = "<eventTypeId>com.example.disk.failed</eventTypeId><message>disk</message>".to_owned();
    vcenter.add(NewEvent::Other { class: "EventEx", message: "disk".to_owned(), rest });
    vcenter.burst(0..200);
    assert_stored(&by_type, 0..200).await;
    assert_stored(&by_user, 0..200).await;
    assert_eq!(column(&by_type, "type", "type <> 'vm.powered.on'"), ["com.example.disk.failed"]);
    assert_eq!(column(&by_user, "type", "type <> 'vm.powered.on'"), [""; 0]);
    assert_eq!(column(&elsewhere, "type", "true"), [""; 0]);
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn a_machine_is_fetched_with_its_folders_also_with_a_slash_in_a_name() {
    use super::harness::{OPS_SINK, config_for, start_with_slack};
    use crate::daemon::LIMIT;
    use crate::slack;

    let vcenter = ScriptedVcenter::start();
    let slack = slack::start();
    let config = format!(
        r#"{}{OPS_SINK}
        [[relay]]
        name = "on"
        from = "vc"
        match = {{ type = "vm.powered.on" }}
        fetch.vm = "{{{{ data.vm.id }}}}"
        text = "{{{{ vm.name }}}} in {{{{ vm.path }}}}: {{{{ vm.annotation }}}}"
        to = "ops"
        "#,
        config_for(&scripted_source(&vcenter), ""),
    );
    let daemon = start_with_slack(&config, PASSWORD, &slack).await;
    until_up(&daemon).await;
    vcenter.burst(0..3);
    for _ in 0..3 {
        let text = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
        assert_eq!(text, "web-01 in /DC0/vm/Web/Shop/web-01: owner: ops &lt;db&gt; &amp; co");
    }
    assert_eq!(vcenter.violations(), [""; 0]);
}
