/** What we use of WebGPU (https://www.w3.org/TR/webgpu/, 2025-11), and what an adapter is called. */
export interface GpuAdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}
export interface GpuDevice {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  addEventListener(kind: "uncapturederror", then: (event: { readonly error: Error }) => void): void;
}
export interface GpuAdapter {
  readonly info: GpuAdapterInfo;
  requestDevice(wanted: object): Promise<GpuDevice>;
}
export interface Gpu {
  requestAdapter(wanted: object): Promise<GpuAdapter | null>;
}

export const noAdapter = "no graphics processor with a Vulkan, Metal or Direct3D 12 driver was found";
/** What helps then. */
export const webgpuDrivers = [
  "a driver for the graphics processor; or a simulated one: Mesa 23.1 or later (Debian: mesa-vulkan-drivers)",
  "VK_ICD_FILENAMES names a Vulkan driver's JSON file where the system does not find it",
];

export const describeAdapter = (a: GpuAdapterInfo): string =>
  a.description || [a.vendor, a.architecture, a.device].filter((x) => x !== "").join(" ") || "an unnamed adapter";
