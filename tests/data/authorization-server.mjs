// A real authorization server (oidc-provider) on loopback, and beside it a system that wants its tokens: `/api/...` answers
// who the bearer is, `/forget` makes every token that was given void. Arguments: the module's path, the port, the clients.
import http from 'node:http';

const [module, port, clients] = process.argv.slice(2);
const { default: Provider } = await import(module);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: JSON.parse(clients),
  scopes: ['read', 'write'],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
});
const given = [];
provider.on('client_credentials.saved', (token) => given.push(token));

const callback = provider.callback();
const tokens = provider.ClientCredentials;
http
  .createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.url === '/forget') {
      const count = given.length;
      await Promise.all(given.splice(0).map((token) => token.destroy()));
      return answer(200, { count });
    }
    if (!request.url.startsWith('/api/')) return callback(request, response);
    const [, bearer] = (request.headers.authorization ?? '').split('Bearer ');
    const token = bearer && (await tokens.find(bearer));
    return token?.isValid ? answer(200, { client: token.clientId, scope: token.scope }) : answer(401, {});
  })
  .listen(Number(port), '127.0.0.1');
