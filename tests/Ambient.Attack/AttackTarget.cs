namespace Ambient.Attack;

/// <summary>What kind of host an attack is for.</summary>
internal enum AttackTarget
{
    Ztunnel,
    Gateway,
    Waypoint,
}
