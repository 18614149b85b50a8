"""Front ends, a file each: from waves to what a network sees; and what is done to it in training.

    fbank.py      KaldiFbank     log mel filterbank as Kaldi computes it: 25 ms every 10 ms
    log_mel.py    LogMel         log mel spectrogram with long windows
    stft.py       StftMagnitude  magnitude spectrogram
    spectrum.py   Spectrum       magnitude of the DFT of a whole clip
    augment.py    SpecAugment    masks, in training mode only
    fourier.py, mel.py           what front ends are made of

Conventions
    waves      float32 (batch, samples), in [-1, 1] unless said otherwise; other types are converted
    output     float32 (batch, frames, bins), also inside autocast: half precision has too few digits for a power spectrum
    frames     a frame is computed from its own samples only (no padding, no centring), so a clip in a zero-padded batch has the
               frames it has alone, in front; `frames(lengths)` says how many
    device     where the batch is; windows and filters are buffers
"""
