using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>
/// An authority that is told of new SVIDs, rather than making one whenever it is asked: it answers the newest that it has, and says
/// when there is a newer one, or none any more. An <see cref="SvidCache"/> asks again at once.
/// </summary>
public interface ISvidUpdates
{
    /// <summary>Told of every identity for which asking again gives another answer than before. Set once, before the first SVID is asked for; must not throw.</summary>
    Action<SpiffeId>? Updated { get; set; }

    /// <summary>
    /// Told of every identity whose SVID was taken back: what was answered for it must not be presented any longer, valid or not.
    /// Set once, before the first SVID is asked for; must not throw.
    /// </summary>
    Action<SpiffeId>? Withdrawn { get; set; }
}
