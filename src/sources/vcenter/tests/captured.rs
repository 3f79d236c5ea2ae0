//! Captured events, and what they become.

use serde_json::Value;

use super::*;
use crate::sources::vcenter::parse;
use crate::vsphere::{self, Element};

fn element(xml: &str) -> Element {
    let spaces = "xmlns=\"urn:vim25\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    vsphere::parse(xml.replacen(' ', &format!(" {spaces} "), 1).as_bytes()).expect("XML")
}

fn read(xml: &str) -> Event {
    let element = element(xml);
    let identity = parse::identity(&element).expect("an event");
    parse::event(&element, identity, "dbed6e0c-bd88-4ef6-b594-21283e1c677f", &outbox())
}

fn shown(event: &Event) -> String {
    serde_json::to_string_pretty(&event.to_json()).expect("JSON")
}

#[test]
fn a_vm_that_was_powered_on() {
    let event = read(
        r#"<returnval xsi:type="VmPoweredOnEvent"><key>25</key><chainId>24</chainId><createdTime>2026-11-20T21:49:15.847590663Z</createdTime><userName></userName><datacenter><name>DC0</name><datacenter type="Datacenter">datacenter-2</datacenter></datacenter><computeResource><name>DC0_C0</name><computeResource type="ClusterComputeResource">clustercomputeresource-27</computeResource></computeResource><host><name>DC0_C0_H0</name><host type="HostSystem">host-34</host></host><vm><name>DC0_C0_RP0_VM1</name><vm type="VirtualMachine">vm-66</vm></vm><fullFormattedMessage>DC0_C0_RP0_VM1 on DC0_C0_H0 in DC0 is powered on </fullFormattedMessage><template>false</template></returnval>"#,
    );
    insta::assert_snapshot!(shown(&event), @r#"
    {
      "data": {
        "chainId": 24,
        "class": "VmPoweredOnEvent",
        "computeResource": {
          "id": "ClusterComputeResource:clustercomputeresource-27",
          "name": "DC0_C0"
        },
        "createdTime": "2026-11-20T21:49:15.847590663Z",
        "datacenter": {
          "id": "Datacenter:datacenter-2",
          "name": "DC0"
        },
        "host": {
          "id": "HostSystem:host-34",
          "name": "DC0_C0_H0"
        },
        "key": 25,
        "message": "DC0_C0_RP0_VM1 on DC0_C0_H0 in DC0 is powered on",
        "template": false,
        "userName": "",
        "vm": {
          "id": "VirtualMachine:vm-66",
          "name": "DC0_C0_RP0_VM1"
        }
      },
      "id": "dbed6e0c-bd88-4ef6-b594-21283e1c677f/25/2026-11-20T21:49:15.847590663Z",
      "kind": "vcenter",
      "source": "vc",
      "specversion": "1.0",
      "subject": "DC0_C0_RP0_VM1",
      "time": "2026-11-20T21:49:15.847590663Z",
      "type": "vm.powered.on"
    }
    "#);
}

#[test]
fn an_event_ex_with_arguments() {
    let event = read(
        r#"<Event xsi:type="EventEx"><key>-2147483648</key><chainId>7</chainId><createdTime>2026-11-20T23:36:02.5+02:00</createdTime><userName>VSPHERE.LOCAL\ops</userName><host><name>esx-1</name><host type="HostSystem">host-34</host></host><fullFormattedMessage>disk sda failed</fullFormattedMessage><eventTypeId>esx.problem.scsi.device.state.permanentloss</eventTypeId><severity>error</severity><message>disk failed</message><arguments><key>disk</key><value xsi:type="xsd:string">sda</value></arguments><arguments><key>tries</key><value xsi:type="xsd:int">3</value></arguments><arguments><key>fatal</key><value xsi:type="xsd:boolean">true</value></arguments><arguments><key>load</key><value xsi:type="xsd:double">0.5</value></arguments><arguments><key>disk</key><value xsi:type="xsd:string">sdb</value></arguments><arguments><key>empty</key></arguments><objectId>host-34</objectId><objectType>HostSystem</objectType><objectName>esx-1</objectName></Event>"#,
    );
    insta::assert_snapshot!(shown(&event), @r#"
    {
      "data": {
        "arguments": {
          "disk": [
            "sda",
            "sdb"
          ],
          "empty": null,
          "fatal": true,
          "load": 0.5,
          "tries": 3
        },
        "chainId": 7,
        "class": "EventEx",
        "createdTime": "2026-11-20T23:36:02.5+02:00",
        "detail": "disk failed",
        "eventTypeId": "esx.problem.scsi.device.state.permanentloss",
        "host": {
          "id": "HostSystem:host-34",
          "name": "esx-1"
        },
        "key": -2147483648,
        "message": "disk sda failed",
        "objectId": "host-34",
        "objectName": "esx-1",
        "objectType": "HostSystem",
        "severity": "error",
        "userName": "VSPHERE.LOCAL\\ops"
      },
      "id": "dbed6e0c-bd88-4ef6-b594-21283e1c677f/-2147483648/2026-11-20T21:36:02.5Z",
      "kind": "vcenter",
      "source": "vc",
      "specversion": "1.0",
      "subject": "esx-1",
      "time": "2026-11-20T21:36:02.5Z",
      "type": "esx.problem.scsi.device.state.permanentloss"
    }
    "#);
}

#[test]
fn an_extended_event() {
    let event = read(
        r#"<Event xsi:type="ExtendedEvent"><key>9</key><chainId>9</chainId><createdTime>2026-11-20T21:36:02Z</createdTime><userName/><message>ext</message><eventTypeId>com.example.ext</eventTypeId><managedObject type="VirtualMachine">vm-57</managedObject><data><key>a</key><value>b</value></data></Event>"#,
    );
    insta::assert_snapshot!(shown(&event), @r#"
    {
      "data": {
        "arguments": {
          "a": "b"
        },
        "chainId": 9,
        "class": "ExtendedEvent",
        "createdTime": "2026-11-20T21:36:02Z",
        "eventTypeId": "com.example.ext",
        "key": 9,
        "managedObject": "VirtualMachine:vm-57",
        "message": "ext",
        "userName": ""
      },
      "id": "dbed6e0c-bd88-4ef6-b594-21283e1c677f/9/2026-11-20T21:36:02Z",
      "kind": "vcenter",
      "source": "vc",
      "specversion": "1.0",
      "subject": "",
      "time": "2026-11-20T21:36:02Z",
      "type": "com.example.ext"
    }
    "#);
}

#[test]
fn an_alarm_and_a_task() {
    let alarm = read(
        r#"<Event xsi:type="AlarmStatusChangedEvent"><key>9</key><chainId>9</chainId><createdTime>2026-11-20T21:36:02Z</createdTime><userName/><alarm><name>Datastore usage on disk</name><alarm type="Alarm">alarm-8</alarm></alarm><source><name>f</name><entity type="Folder">folder-3</entity></source><entity><name>LocalDS_0</name><entity type="Datastore">datastore-52</entity></entity><from>green</from><to>red</to></Event>"#,
    );
    assert_eq!((&*alarm.r#type, &*alarm.subject), ("alarm.status.changed", "LocalDS_0"));
    let data = alarm.data.value();
    assert_eq!(data["entity"], serde_json::json!({ "name": "LocalDS_0", "id": "Datastore:datastore-52" }));
    assert_eq!(data["alarm"]["name"], "Datastore usage on disk");
    assert_eq!((&data["to"], &data["message"]), (&"red".into(), &"AlarmStatusChangedEvent: LocalDS_0".into()));
    let task = read(
        r#"<Event xsi:type="TaskEvent"><key>9</key><chainId>9</chainId><createdTime>2026-11-20T21:36:02Z</createdTime><userName>root</userName><fullFormattedMessage>Task: Create virtual machine snapshot</fullFormattedMessage><info><key>task-72</key><task type="Task">task-72</task><descriptionId>VirtualMachine.createSnapshot</descriptionId><entity type="VirtualMachine">vm-57</entity><entityName>web-01</entityName><state>error</state><error><fault xsi:type="InvalidPowerState"><existingState>poweredOn</existingState></fault><localizedMessage>no</localizedMessage></error></info></Event>"#,
    );
    assert_eq!((&*task.r#type, &*task.subject), ("task", "web-01"));
    let data = task.data.value();
    assert_eq!(data["message"], "Task: Create virtual machine snapshot (target=VirtualMachine web-01)");
    assert_eq!(data["info"]["descriptionId"], "VirtualMachine.createSnapshot");
    assert_eq!(data["info"]["error"]["fault"]["class"], "InvalidPowerState");
    assert_eq!(data["info"]["entity"], "VirtualMachine:vm-57");
}

#[test]
fn unknown_classes_and_members_are_relayed() {
    let event = read(
        r#"<Event xsi:type="vim25:VmTeleportedEvent"><key>9</key><createdTime>2026-11-20T21:36:02</createdTime><vm><name>a</name><vm type="VirtualMachine">vm-1</vm></vm><class>mine</class><places xsi:type="ArrayOfString"><string>here</string></places><nothing xsi:type="ArrayOfString"/><deep><er><est/></er></deep><twice>1</twice><twice>2</twice></Event>"#,
    );
    assert_eq!(&*event.r#type, "vm.teleported");
    let data: &Value = event.data.value();
    assert_eq!(data["class"], "VmTeleportedEvent");
    assert_eq!(data["places"], serde_json::json!(["here"]));
    assert_eq!(data["nothing"], serde_json::json!([]));
    assert_eq!(data["twice"], serde_json::json!(["1", "2"]));
    assert_eq!(data["deep"]["er"]["est"], "");
    assert_eq!(event.time.to_string(), "2026-11-20T21:36:02Z");
}

#[test]
fn an_element_without_key_or_time_is_not_an_event() {
    for (xml, why) in [
        ("<Event ><createdTime>2026-11-20T21:36:02Z</createdTime></Event>", "it has no key"),
        ("<Event ><key>x</key><createdTime>2026-11-20T21:36:02Z</createdTime></Event>", "it has no key"),
        ("<Event ><key>1</key></Event>", "it has no time"),
        ("<Event ><key>1</key><createdTime>yesterday</createdTime></Event>", "it has no time"),
    ] {
        assert_eq!(parse::identity(&element(xml)), Err(why));
    }
}
