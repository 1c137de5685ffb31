export { Channel, type Links, PeerFailure } from "./channel.js";
export { evenBounds, type Group, makeGroup } from "./group.js";
export { type LaunchOptions, launch, type Team } from "./launch.js";
export { type Coordinates, coordinatesOf, type Mesh, makeMesh, rankOf, worldSize } from "./mesh.js";
