// A real OpenID provider: node provider.mjs FOLDER PORT SETTINGS
// Clients get access tokens (client_credentials) as JSON Web Tokens, signed with the first of the keys. SETTINGS is a
// JSON file: keys, groups (client -> its groups), lifetimes (client -> seconds).
import { readFileSync } from "node:fs";

const [folder, port, settings] = process.argv.slice(2);
const { Provider } = await import(`${folder}/node_modules/oidc-provider/lib/index.js`);
const { keys, groups, lifetimes } = JSON.parse(readFileSync(settings, "utf8"));
const alg = keys[0].alg;

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: Object.keys(groups).map((client_id) => ({
    client_id,
    client_secret: `${client_id}-secret`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    scope: "api",
    id_token_signed_response_alg: alg,
  })),
  scopes: ["api"],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "https://prefect.example",
      useGrantedResource: () => true,
      getResourceServerInfo: (context, resource, client) => ({
        scope: "api",
        audience: "prefect-api",
        accessTokenTTL: lifetimes[client.clientId] ?? 3600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg } },
      }),
    },
  },
  extraTokenClaims: (context, token) => ({ groups: groups[token.clientId] }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
