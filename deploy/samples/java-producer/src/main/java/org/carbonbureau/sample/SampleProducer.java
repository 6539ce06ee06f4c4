package org.carbonbureau.sample;

import carbonbureau.common.v1.PeriodOuterClass.Period;
import carbonbureau.intake.v1.BasisOuterClass.Basis;
import carbonbureau.intake.v1.Energy.ElectricityUse;
import carbonbureau.intake.v1.SubmissionOuterClass.Submission;
import com.google.protobuf.Timestamp;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.SaslConfigs;
import org.apache.kafka.common.config.SslConfigs;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes one meter reading of a month as a provider of the bureau does.
 *
 * <p>Usage: {@code SampleProducer PROVIDER.properties SUBJECT-CODE RECORD-NUMBER FIRST-DAY END-DAY MWH}. The period is half-open: the
 * end day is the first one after it. The properties: {@code bootstrap.servers}, {@code provider.code}, {@code password.file}, {@code
 * ca.file} and, where records are signed, {@code signing.key.file} and {@code signing.key.x}.
 */
public final class SampleProducer {
  private SampleProducer() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 6) {
      System.err.println("usage: SampleProducer PROVIDER.properties SUBJECT-CODE RECORD-NUMBER FIRST-DAY END-DAY MWH");
      System.exit(2);
    }
    Properties settings = new Properties();
    try (Reader file = Files.newBufferedReader(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
      settings.load(file);
    }
    Submission submission = meterReading(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    try (Producer<String, byte[]> producer = new KafkaProducer<>(clientSettings(settings))) {
      // Wait for the acknowledgement: a record is only published when the broker has said so.
      RecordMetadata lies = producer.send(record(settings, submission, Instant.now())).get();
      System.out.println("acknowledged " + lies.topic() + " " + lies.partition() + " " + lies.offset());
    }
  }

  private static Submission meterReading(String subjectCode, String recordNumber, String firstDay, String endDay, String mwh) {
    Instant now = Instant.now();
    return Submission.newBuilder()
        .setSubjectCode(subjectCode)
        // Your own number, unique for the kind: sent again it is the same record; a correction has revision 2, 3, …
        .setRecordNumber(recordNumber)
        .setRecordRevision(1)
        .setPeriod(Period.newBuilder().setStartDate(firstDay).setEndDate(endDay).setTimeZone("Asia/Shanghai"))
        .setCompiledTime(Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()))
        // Amounts are decimal texts: no float ever stands between your meter and the account.
        .setElectricityUse(ElectricityUse.newBuilder().setPurchasedMwh(mwh).setBasis(Basis.BASIS_METERED))
        .build();
  }

  /** One topic for each domain of your kinds, the subject's code as key, CloudEvents 1.0 in binary mode as headers. */
  private static ProducerRecord<String, byte[]> record(Properties settings, Submission submission, Instant now) throws Exception {
    String provider = required(settings, "provider.code");
    byte[] value = submission.toByteArray();
    ProducerRecord<String, byte[]> record =
        new ProducerRecord<>("intake.energy.v1." + provider, submission.getSubjectCode(), value);
    // The same record sent again is the same event.
    String name = provider + "/ELECTRICITY_USE/" + submission.getRecordNumber() + "/" + submission.getRecordRevision();
    header(record, "ce_specversion", "1.0");
    header(record, "ce_id", UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString());
    header(record, "ce_source", "/providers/" + provider);
    header(record, "ce_type", Submission.getDescriptor().getFullName());
    header(record, "ce_time", now.toString());
    header(record, "ce_subject", submission.getSubjectCode());
    header(record, "content-type", "application/protobuf");
    String keyFile = settings.getProperty("signing.key.file");
    if (keyFile != null) {
      DetachedSignature signature = new DetachedSignature(Path.of(keyFile), required(settings, "signing.key.x"));
      record.headers().add("jws", signature.sign(value, now));
    }
    return record;
  }

  private static void header(ProducerRecord<String, byte[]> record, String name, String text) {
    record.headers().add(name, text.getBytes(StandardCharsets.UTF_8));
  }

  /** TLS by the bureau's authority, SCRAM-SHA-512, acknowledged by all replicas, patient with a broker that is away. */
  private static Properties clientSettings(Properties settings) throws Exception {
    String password = Files.readString(Path.of(required(settings, "password.file")), StandardCharsets.UTF_8).strip();
    Properties client = new Properties();
    client.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, required(settings, "bootstrap.servers"));
    client.put(ProducerConfig.CLIENT_ID_CONFIG, required(settings, "provider.code") + "-sample");
    client.put("security.protocol", "SASL_SSL");
    client.put(SslConfigs.SSL_TRUSTSTORE_TYPE_CONFIG, "PEM");
    client.put(SslConfigs.SSL_TRUSTSTORE_LOCATION_CONFIG, required(settings, "ca.file"));
    client.put(SaslConfigs.SASL_MECHANISM, "SCRAM-SHA-512");
    client.put(
        SaslConfigs.SASL_JAAS_CONFIG,
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
            + required(settings, "provider.code")
            + "\" password=\""
            + password
            + "\";");
    client.put(ProducerConfig.ACKS_CONFIG, "all");
    client.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    client.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "zstd");
    client.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 120_000);
    client.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 30_000);
    client.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    client.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    return client;
  }

  private static String required(Properties settings, String name) {
    String value = settings.getProperty(name);
    if (value == null || value.isBlank()) {
      throw new IllegalArgumentException(name + " is not set");
    }
    return value;
  }
}
