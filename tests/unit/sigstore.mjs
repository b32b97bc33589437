// Verifies a Sigstore bundle with a public key: sigstore.mjs BUNDLE.json PUB.pem
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import bundles from "@sigstore/bundle";
import { Verifier, toSignedEntity } from "@sigstore/verify";

const [bundleFile, keyFile] = process.argv.slice(2);
const publicKey = createPublicKey(readFileSync(keyFile));
const material = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  tlogs: [],
  ctlogs: [],
  publicKey: () => ({ publicKey, validFor: () => true }),
};
const verifier = new Verifier(material, { ctlogThreshold: 0, tlogThreshold: 0, tsaThreshold: 0 });
try {
  const bundle = bundles.bundleFromJSON(JSON.parse(readFileSync(bundleFile, "utf8")));
  verifier.verify(toSignedEntity(bundle));
  console.log("verified");
} catch (error) {
  console.log(`refused: ${error.name}: ${error.message}`);
}
