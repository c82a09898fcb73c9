namespace Ambient.Node.Telemetry.Logging;

/// <summary>How lines are written (<c>LOG_FORMAT</c>).</summary>
public enum LogFormat
{
    /// <summary>Time, level, target, message and <c>key=value</c> fields with tabs between.</summary>
    Plain,

    /// <summary>One JSON object a line.</summary>
    Json,
}
