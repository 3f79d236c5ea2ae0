//! Captured answers, shortened.

pub(super) const VERSIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<namespaces version="1.0">
 <namespace>
  <name>urn:vim25</name>
  <version>8.0.2.0</version>
  <priorVersions>
   <version>8.0.1.0</version>
   <version>6.5</version>
  </priorVersions>
 </namespace>
 <namespace>
  <name>urn:vim</name>
  <version>2.0</version>
 </namespace>
</namespaces>
"#;

pub(super) const CONTENT: &str = r#"<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval><rootFolder type="Folder">group-d1</rootFolder><propertyCollector type="PropertyCollector">propertyCollector</propertyCollector><viewManager type="ViewManager">ViewManager</viewManager><about><name>VMware vCenter Server</name><fullName>VMware vCenter Server 6.5.0 build-5973321</fullName><version>6.5.0</version><build>5973321</build><apiType>VirtualCenter</apiType><apiVersion>6.5</apiVersion><instanceUuid>dbed6e0c-bd88-4ef6-b594-21283e1c677f</instanceUuid></about><sessionManager type="SessionManager">SessionManager</sessionManager><eventManager type="EventManager">EventManager</eventManager><searchIndex type="SearchIndex">SearchIndex</searchIndex></returnval></RetrieveServiceContentResponse>"#;

pub(super) const LOGIN: &str = r#"<LoginResponse xmlns="urn:vim25"><returnval><key>52e72df4-k3y</key><userName>ops</userName><fullName>ops</fullName><loginTime>2026-11-20T21:49:17.775951534Z</loginTime><locale>en_US</locale><extensionSession>false</extensionSession><userAgent>x</userAgent><callCount>1</callCount></returnval></LoginResponse>"#;

pub(super) const TIME: &str = r#"<CurrentTimeResponse xmlns="urn:vim25"><returnval>2026-11-20T21:49:17.77878241Z</returnval></CurrentTimeResponse>"#;

/// vcsim 0.24.2: the prefix is named like the end of the namespace and declared at each event.
pub(super) const NEXT: &str = r#"<ReadNextEventsResponse xmlns="urn:vim25"><returnval xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" XMLSchema-instance:type="VmPoweredOnEvent"><key>25</key><chainId>25</chainId><createdTime>2026-11-20T21:49:15.847590663Z</createdTime><userName></userName><datacenter><name>DC0</name><datacenter type="Datacenter">datacenter-2</datacenter></datacenter><vm><name>DC0_C0_RP0_VM1</name><vm type="VirtualMachine">vm-66</vm></vm><fullFormattedMessage>DC0_C0_RP0_VM1 on DC0_C0_H0 in DC0 is powered on</fullFormattedMessage><template>false</template></returnval><returnval xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" XMLSchema-instance:type="VmShinyNewEvent"><key>26</key><brandNewField><deep>x</deep></brandNewField></returnval></ReadNextEventsResponse>"#;

/// The newest vcsim: the prefix begins with an underscore and is declared on a parent.
pub(super) const PAGE: &str = r#"<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects><obj type="EventHistoryCollector">session[52e72df4-k3y]4d6fb4d0</obj><propSet><name>latestPage</name><val xmlns:_XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" _XMLSchema-instance:type="ArrayOfEvent"><Event _XMLSchema-instance:type="VmRemovedEvent"><key>48</key></Event><Event _XMLSchema-instance:type="VmStartingEvent"><key>47</key></Event></val></propSet></objects></returnval></RetrievePropertiesExResponse>"#;

pub(super) const UPDATE: &str = r#"<WaitForUpdatesExResponse xmlns="urn:vim25"><returnval><version>17</version><filterSet><filter type="PropertyFilter">session[52e72df4-k3y]168dbeb2</filter><objectSet><kind>modify</kind><obj type="EventHistoryCollector">session[52e72df4-k3y]4d6fb4d0</obj><changeSet><name>latestPage</name><op>assign</op><val xsi:type="ArrayOfEvent"><Event xsi:type="VmStartingEvent"><key>29</key></Event><Event xsi:type="VmPoweredOffEvent"><key>28</key></Event></val></changeSet><changeSet><name>latestPage</name><op>assign</op><val xsi:type="ArrayOfEvent"><Event xsi:type="VmPoweredOnEvent"><key>30</key></Event></val></changeSet></objectSet></filterSet></returnval></WaitForUpdatesExResponse>"#;

pub(super) const NO_UPDATE: &str = r#"<WaitForUpdatesExResponse xmlns="urn:vim25"></WaitForUpdatesExResponse>"#;

pub(super) const VM: &str = r#"<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects><obj type="VirtualMachine">vm-57</obj><propSet><name>name</name><val xsi:type="xsd:string">DC0_H0_VM0</val></propSet><propSet><name>parent</name><val xsi:type="ManagedObjectReference" type="Folder">folder-3</val></propSet><propSet><name>config.annotation</name><val xsi:type="xsd:string">owner: ops &lt;db&gt; &amp; co</val></propSet><propSet><name>datastore</name><val xsi:type="ArrayOfManagedObjectReference"><ManagedObjectReference type="Datastore">datastore-52</ManagedObjectReference></val></propSet></objects></returnval></RetrievePropertiesExResponse>"#;
