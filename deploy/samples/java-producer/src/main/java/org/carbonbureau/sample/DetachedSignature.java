package org.carbonbureau.sample;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;

/**
 * Signs the bytes of a record: a detached JWS (RFC 7515, appendix F) with Ed25519, for the header {@code jws}.
 *
 * <p>Any JWS library does the same: sign the value as payload, then leave the payload out of the result. Here it is written out
 * with the JDK alone.
 */
final class DetachedSignature {
  private static final Base64.Encoder BASE64URL = Base64.getUrlEncoder().withoutPadding();

  private final PrivateKey key;
  private final String keyId;

  /**
   * @param keyFile the private key, PKCS#8 PEM ({@code openssl genpkey -algorithm ed25519})
   * @param x the public key as in the bureau's provider directory: the member x of its JWK
   */
  DetachedSignature(Path keyFile, String x) throws IOException, GeneralSecurityException {
    String pem = Files.readString(keyFile, StandardCharsets.US_ASCII);
    byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
    this.key = KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(der));
    this.keyId = thumbprint(x);
  }

  /** Gives the header's value for exactly these bytes: sign what is sent, never a second serialisation. */
  byte[] sign(byte[] value, Instant now) throws GeneralSecurityException {
    String header = "{\"alg\":\"EdDSA\",\"kid\":\"" + keyId + "\",\"iat\":" + now.getEpochSecond() + "}";
    String protectedHeader = BASE64URL.encodeToString(header.getBytes(StandardCharsets.UTF_8));
    Signature signature = Signature.getInstance("Ed25519");
    signature.initSign(key);
    signature.update((protectedHeader + "." + BASE64URL.encodeToString(value)).getBytes(StandardCharsets.US_ASCII));
    return (protectedHeader + ".." + BASE64URL.encodeToString(signature.sign())).getBytes(StandardCharsets.US_ASCII);
  }

  /** RFC 7638: SHA-256 over the required members of the JWK in their one written form. */
  private static String thumbprint(String x) throws GeneralSecurityException {
    String members = "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" + x + "\"}";
    return BASE64URL.encodeToString(MessageDigest.getInstance("SHA-256").digest(members.getBytes(StandardCharsets.US_ASCII)));
  }
}
