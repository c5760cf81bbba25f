# The server of mana-upscale. Build and run:
#
#   docker build -t mana-upscale .
#   docker run --rm -p 8080:8080 -p 40000-40100:40000-40100/udp mana-upscale \
#     --host 0.0.0.0 --publish-token SECRET --open-watch \
#     --udp-ports 40000-40100 --announced-address ADDRESS-OF-THIS-MACHINE
#
# Without flags it listens inside the container only, where nobody reaches it: who may publish and watch is yours to say.

FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Native parts of all packages come as packages of their own: no install script is needed, and none is run.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:22-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
# Two optional peers, in the versions that are tested: one codes video, the other runs networks natively.
RUN npm install --save-prod --omit=dev --ignore-scripts \
      $(node -p "const { packages } = require('./package-lock.json'); ['node-av', 'onnxruntime-node'].map((name) => name + '@' + packages['node_modules/' + name].version).join(' ')") \
 && rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY LICENSE ./
USER node
EXPOSE 8080/tcp
EXPOSE 40000-40100/udp
# Another port is told by MANA_PORT, so that it is known here too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.MANA_PORT || 8080) + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli.js", "serve"]
