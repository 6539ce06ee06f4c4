"""A private Apache Kafka for one machine: one KRaft node, loopback only, every connection signed in and authorised.

Decides how the broker is set up and when it is ready. Principals, rights and topics come from `access.py` and are applied by
`broker_access.py`; the jars come from `kafka_programs.py`.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from deploy.local import account, broker_access, certificates, environment, kafka_programs, processes
from deploy.local.access import BROKER_ADMIN, BROKER_ITSELF
from deploy.local.broker_access import Cluster
from deploy.local.certificates import KeyPair
from deploy.local.errors import CannotRunError
from deploy.local.processes import Launch, Process
from deploy.local.state import LOOPBACK, State, accepts, is_free, open_state, write_atomically

NAME = environment.KAFKA_PORT
CONTROLLER_PORT = environment.KAFKA_CONTROLLER_PORT
PROVIDERS_PORT = environment.KAFKA_PROVIDERS_PORT
# A broker that was killed first waits until its own old session ends, so a start may take twice as long as the first one.
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
KEYSTORE_LOCATION = "listener.name.providers.ssl.keystore.location"
JAVA_OPTIONS = (
    *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"),
    # Files in /tmp that another account's broker would find in its way.
    "-XX:-UsePerfData",
    *("-Djava.awt.headless=true", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC"),
)

# Every broker property that does not depend on ports, passwords or folders, and why it differs from the default.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    # The controller signs in too: a plaintext one would let anyone on the machine rewrite the ACLs.
    "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,PROVIDERS:SASL_SSL,CONTROLLER:SASL_PLAINTEXT",
    "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    # Providers come from other houses: their listener speaks TLS, with one file of key and certificate that can be changed while it runs.
    "listener.name.providers.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.providers.ssl.keystore.type": "PEM",
    "listener.name.providers.ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": f"User:{BROKER_ADMIN};User:{BROKER_ITSELF}",
    # A topic exists because someone decided so.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(1024 * 1024),
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the node must see its own old session end: 6 s in place of 12 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # One node.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Two cores and half a gigabyte.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "log.segment.bytes": str(128 * 1024 * 1024),
}


@dataclass(kw_only=True)
class KafkaBroker:
    """The broker of one state directory. Make it with `running`, or `broker` and `start` where it shall outlive us."""

    state: State
    home: Path
    account: account.Account
    say: Callable[[str], None]
    pause: Callable[[float], None]
    process: Process | None = field(default=None)

    @property
    def port(self) -> int:
        return self.state.port(NAME)

    @property
    def bootstrap_servers(self) -> str:
        return self.cluster.bootstrap_servers

    @property
    def cluster(self) -> Cluster:
        return environment.own_kafka(self.state)

    @property
    def cluster_of_providers(self) -> Cluster:
        """The cluster by the listener for providers: TLS, with the authority's certificate to check it by."""
        return environment.kafka_of_providers(self.state, environment.own_servers(self.state))

    @property
    def keystore_file(self) -> Path:
        return self.home / "providers-keystore.pem"

    def password_file(self, principal: str) -> Path:
        return self.state.password_file(principal)

    def client_settings(self, principal: str) -> dict[str, object]:
        """Give the connection arguments of a kafka-python client that signs in as `principal`."""
        return self.cluster.client_settings(principal, self.password_file(principal))

    def admin(self) -> KafkaAdminClient:
        """Connect as the administrator. The caller closes the client."""
        return self.cluster.admin()

    def start(self) -> None:
        """Start the broker unless it runs, wait until it serves its topics, and apply `access.py`. Idempotent."""
        self.finish(self.begin())

    def begin(self) -> Process:
        """Start the broker unless it runs, without waiting for it."""
        self.process = processes.adopt(self.state, NAME) if self.process is None else self.process
        if self.process is None or not self.process.alive():
            java = kafka_programs.java()
            if not account.reaches(self.account, Path(java), mode="-x"):
                raise CannotRunError(f"the account {self.account.name} may not run {java}: install Java for the whole system")
            jars = kafka_programs.jars(self.say)
            probe = f"kafka_2.13-{kafka_programs.KAFKA_VERSION}.jar"
            jars = account.programs_within_reach(self.account, jars, parts=(".",), probes=(probe,))
            self._choose_ports()
            self._write_settings()
            base = [java, *JAVA_OPTIONS, f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}", "-cp", f"{jars}/*"]
            self._format(base)
            self.process = processes.start(
                self.state,
                Launch(
                    name=NAME,
                    command=[*base, "kafka.Kafka", str(self.home / "server.properties")],
                    environment={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                    account=self.account,
                    stop_seconds_max=STOP_SECONDS_MAX,
                ),
            )
        return self.process

    def finish(self, process: Process | None) -> None:
        """Wait until the broker serves its topics, and apply `access.py`."""
        assert process is not None
        self._wait_until_ready(process)
        broker_access.apply_to(self.cluster, self.state)

    def rotate_certificate(self) -> None:
        """Give the providers' listener a new key and certificate while it runs: new connections see it, those that stand go on.

        (crash after the file was written: the old certificate is shown until the next rotation or start)
        """
        self._write_keystore(certificates.new_broker(self.state))
        # Setting the same path again makes the broker read the file anew (KAFKA-14136).
        change = {KEYSTORE_LOCATION: str(self.keystore_file)}
        with contextlib.closing(self.cluster.admin()) as admin:
            resource = ConfigResource(ConfigResourceType.BROKER, PROPERTIES["node.id"], change)
            answer = admin.alter_configs([resource], raise_on_unknown=False)["broker"][PROPERTIES["node.id"]]
        if answer != "OK":
            raise CannotRunError(f"Kafka would not take the new certificate: {answer}")

    def stop(self) -> None:
        """Shut the broker down in order; killed if that takes too long, which loses nothing but start-up time."""
        if (process := self.process or processes.adopt(self.state, NAME)) is not None:
            processes.stop(self.state, process)
        self.process = None

    def kill(self) -> None:
        """End the broker with SIGKILL, in the middle of whatever it does."""
        if self.process is not None:
            processes.kill(self.process)

    def _choose_ports(self) -> None:
        """Keep the remembered ports unless a stranger listens there by now."""
        for name in (NAME, PROVIDERS_PORT, CONTROLLER_PORT):
            if not is_free(self.state.port(name)):
                self.state.forget_port(name)

    def _write_settings(self) -> None:
        """Write properties with passwords: in our own folder, readable by the broker's account only."""
        client, controller = f"{LOOPBACK}:{self.port}", f"{LOOPBACK}:{self.state.port(CONTROLLER_PORT)}"
        providers = f"{LOOPBACK}:{self.state.port(PROVIDERS_PORT)}"
        self._write_keystore(certificates.broker(self.state))
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        itself = f'username="{BROKER_ITSELF}" password="{self.state.password(BROKER_ITSELF)}"'
        properties = {
            **PROPERTIES,
            "listeners": f"CLIENT://{client},PROVIDERS://{providers},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{client},PROVIDERS://{providers}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.home / "data"),
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{scram} {itself};",
            "listener.name.providers.scram-sha-512.sasl.jaas.config": f"{scram};",
            KEYSTORE_LOCATION: str(self.keystore_file),
            "listener.name.controller.plain.sasl.jaas.config": (
                f'{plain} {itself} user_{BROKER_ITSELF}="{self.state.password(BROKER_ITSELF)}";'
            ),
        }
        lines = ["# Written at every start by deploy/local/kafka.py.", *(f"{name}={value}" for name, value in properties.items())]
        self._write_for_account(self.home / "server.properties", "\n".join(lines) + "\n")
        write_atomically(self.home / "log4j2.properties", Path(__file__).with_name("log4j2.properties").read_text(), mode=0o644)

    def _write_keystore(self, pair: KeyPair) -> None:
        """Write key and certificate as the one PEM file that the broker reads."""
        self._write_for_account(self.keystore_file, pair.key_file.read_text() + pair.certificate_file.read_text())

    def _format(self, base: list[str]) -> None:
        """Make the data directory with the first two principals; marked only when complete, so a crash here starts over."""
        data, formatted, arguments = self.home / "data", self.home / "formatted", self.home / "format.arguments"
        if formatted.exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        self.account.make_folder(data)
        words = ["format", "--cluster-id", _new_cluster_id(), "--config", str(self.home / "server.properties")]
        for principal in (BROKER_ADMIN, BROKER_ITSELF):
            words += ["--add-scram", f"SCRAM-SHA-512=[name={principal},password={self.state.password(principal)}]"]
        # By file: what stands on a command line can be read by everyone on the machine.
        self._write_for_account(arguments, "\n".join(words) + "\n")
        try:
            made = subprocess.run(
                [*base, "kafka.tools.StorageTool", f"@{arguments}"],
                cwd="/",
                env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                **self.account.popen_arguments(),  # type: ignore[call-overload]
            )
        finally:
            arguments.unlink(missing_ok=True)
        if made.returncode != 0:
            raise CannotRunError(f"Kafka's storage could not be formatted: {(made.stderr or made.stdout).strip()}")
        write_atomically(formatted, "", mode=0o644)

    def _write_for_account(self, path: Path, text: str) -> None:
        write_atomically(path, text, mode=0o600)
        self.account.give(path)

    def _wait_until_ready(self, process: Process) -> None:
        """Wait until the administrator can sign in and every internal topic that exists has a leader for each partition."""
        deadline = time.monotonic() + START_SECONDS_MAX
        log_file = self.state.log_file(NAME)
        reason = "nothing listens on its port"
        while True:
            if not process.alive():
                raise CannotRunError(f"Kafka ended while starting; {log_file} ends with\n{processes.tail(log_file)}")
            if accepts(self.port):
                try:
                    with contextlib.closing(self.cluster.admin(bootstrap_seconds=3.0)) as admin:
                        if (missing := broker_access.not_serving(admin)) is None:
                            return
                        reason = missing
                except KafkaError as error:
                    reason = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                raise CannotRunError(f"Kafka is not ready after {START_SECONDS_MAX:.0f} s ({reason}); see {log_file}")
            self.pause(0.1)


def broker(state: State, *, say: Callable[[str], None] = lambda line: None, pause: Callable[[float], None] = time.sleep) -> KafkaBroker:
    """Describe the broker of a state directory, without starting it. `start` starts it or finds it running.

    `say` hears of a long step before it begins; `pause` is called while waiting, and may raise to end the wait.
    """
    who = account.of_servers()
    home = account.home_of_data(who, state.path) / NAME
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)
    return KafkaBroker(state=state, home=home, account=who, say=say, pause=pause)


@contextlib.contextmanager
def running(state_dir: Path | str) -> Iterator[KafkaBroker]:
    """Run the broker of a state directory; it is stopped at the end. Its data stays."""
    found = broker(open_state(state_dir))
    try:
        found.start()
        yield found
    finally:
        found.stop()


def _new_cluster_id() -> str:
    """Give a cluster id in the broker's notation: the 22 base64url characters of a UUID. One that starts with `-` reads as an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
