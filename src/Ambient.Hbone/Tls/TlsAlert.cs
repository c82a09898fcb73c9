namespace Ambient.Hbone.Tls;

/// <summary>Descriptions of alerts (RFC 8446, 6) that we send, or that are more than an error.</summary>
internal static class TlsAlert
{
    public const byte CloseNotify = 0;
    public const byte UnexpectedMessage = 10;
    public const byte BadRecordMac = 20;
    public const byte RecordOverflow = 22;
    public const byte IllegalParameter = 47;
    public const byte DecodeError = 50;
    public const byte InternalError = 80;
    public const byte UserCanceled = 90;

    /// <summary>What an alert is called, for the log.</summary>
    public static string NameOf(byte description) => description switch
    {
        CloseNotify => "close_notify",
        UnexpectedMessage => "unexpected_message",
        BadRecordMac => "bad_record_mac",
        RecordOverflow => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        IllegalParameter => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        DecodeError => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        InternalError => "internal_error",
        UserCanceled => "user_canceled",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown",
    };
}
