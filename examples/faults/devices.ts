/** GPU devices of this worker, in the order in which they were given. */
const devices: GPUDevice[] = [];

/** Remembers every device that an adapter gives from now on. */
export function watchDevices(): void {
  if (!('GPUAdapter' in self)) return;
  const { prototype } = GPUAdapter;
  const original = prototype.requestDevice;
  prototype.requestDevice = async function (descriptor) {
    const device = await original.call(this, descriptor);
    devices.push(device);
    return device;
  };
}

/** The device that was given last. */
export function newestDevice(): GPUDevice | undefined {
  return devices.at(-1);
}

/** Destroys the devices; whether there were any. */
export function loseDevices(): boolean {
  for (const device of devices) device.destroy();
  return devices.splice(0).length > 0;
}
