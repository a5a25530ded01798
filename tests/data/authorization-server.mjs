// A real authorization server (oidc-provider) on loopback, and beside it a system that wants its tokens: `/api/...` answers
// who the bearer is, `/forget` makes every token that was given void, `/end` every consent. It has a person who consents to
// whatever it is asked for (or, after `/deny`, to nothing, once): `/person?at=URL` sends a browser there and answers where it
// ends, `/person?code=CODE` types a code. Arguments: the module's path, the port, the clients.
import http from 'node:http';

const [module, port, clients] = process.argv.slice(2);
const { default: Provider } = await import(module);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: JSON.parse(clients),
  scopes: ['openid', 'offline_access', 'read', 'write'],
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  rotateRefreshToken: true,
});
const given = [];
for (const kind of ['client_credentials', 'access_token']) provider.on(`${kind}.saved`, (token) => given.push(token));
const consents = [];
provider.on('refresh_token.saved', (token) => consents.push(token));
let denies = false;

// What a person does with the pages that he is shown.
async function decide(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (prompt.name === 'login') return finish({ login: { accountId: 'ada' } });
  if (denies) {
    denies = false;
    return finish({ error: 'access_denied', error_description: 'she says no' });
  }
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(prompt.details.missingOIDCScope?.join(' ') ?? '');
  return finish({ consent: { grantId: await grant.save() } });
}

// A browser: it keeps cookies and follows redirections within the server.
function browser() {
  const cookies = new Map();
  return async function visit(url, form) {
    for (let hops = 0; hops < 20; hops += 1) {
      const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
      const response = await fetch(url, {
        method: form ? 'POST' : 'GET',
        body: form,
        headers: { cookie },
        redirect: 'manual',
      });
      for (const set of response.headers.getSetCookie()) {
        const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
        if (value) cookies.set(name, value);
        else cookies.delete(name);
      }
      const next = response.headers.get('location');
      if (!next) return { url, page: await response.text() };
      [url, form] = [new URL(next, url).href, undefined];
      if (!url.startsWith(`${issuer}/`)) return { url };
    }
    throw new Error('the redirections have no end');
  };
}

async function person(query) {
  const visit = browser();
  if (query.has('at')) return visit(query.get('at'));
  const xsrf = (page) => page.match(/name="xsrf" value="([^"]+)"/)[1];
  const code = query.get('code');
  const { page } = await visit(`${issuer}/device`);
  const asked = await visit(`${issuer}/device`, new URLSearchParams({ xsrf: xsrf(page), user_code: code }));
  return visit(`${issuer}/device`, new URLSearchParams({ xsrf: xsrf(asked.page), user_code: code, confirm: 'yes' }));
}

const callback = provider.callback();
const { AccessToken, ClientCredentials } = provider;
async function serve(request, response) {
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const { pathname, searchParams } = new URL(request.url, issuer);
  const destroy = async (tokens) => {
    const count = tokens.length;
    await Promise.all(tokens.splice(0).map((token) => token.destroy()));
    return answer(200, { count });
  };
  if (pathname === '/forget') return destroy(given);
  if (pathname === '/end') return destroy(consents);
  if (pathname === '/deny') return answer(200, { denies: (denies = true) });
  if (pathname === '/person') return answer(200, await person(searchParams));
  if (pathname.startsWith('/interaction/')) return decide(request, response);
  if (!pathname.startsWith('/api/')) return callback(request, response);
  const [, bearer] = (request.headers.authorization ?? '').split('Bearer ');
  const token = bearer && ((await ClientCredentials.find(bearer)) ?? (await AccessToken.find(bearer)));
  const { clientId: client, scope, accountId: account } = token ?? {};
  return token?.isValid ? answer(200, { client, scope, account }) : answer(401, {});
}

http
  .createServer((request, response) => {
    serve(request, response).catch((error) => {
      response.writeHead(500);
      response.end(String(error?.stack ?? error));
    });
  })
  .listen(Number(port), '127.0.0.1');
