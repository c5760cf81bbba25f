/** What was wrong with an input, as far as it was read. Every number is 0 for a whole one. */
export interface Damage {
  /** Packets that are broken, or that the decoder could not use. */
  packets: number;
  /** Pictures that were decoded with faults in them, and upscaled as they are. */
  pictures: number;
  /** Pictures without a time, or with one that does not rise: they were given the next one. */
  times: number;
  /** Whether the file ends before it says it does. */
  truncated: boolean;
}

/** Of an input that nothing is known to be wrong with. */
export function noDamage(): Damage {
  return { packets: 0, pictures: 0, times: 0, truncated: false };
}

/** The damage in sentences; none for a whole input. */
export function damageText({ packets, pictures, times, truncated }: Damage): string[] {
  const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;
  return [
    ...(truncated ? ['The file ends before it says it does: what is there was upscaled.'] : []),
    ...(packets > 0 ? [`${count(packets, 'packet')} of the file ${packets === 1 ? 'is' : 'are'} broken.`] : []),
    ...(pictures > 0
      ? [`${count(pictures, 'picture')} came out of the decoder with faults, and were upscaled as they are.`]
      : []),
    ...(times > 0 ? [`${count(times, 'picture')} had no time of their own, or one that does not rise.`] : []),
  ];
}
