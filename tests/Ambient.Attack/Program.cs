using System.Globalization;
using Ambient.Attack;

if (args is [Attacker.Verb, ..])
{
    await Attacker.RunAsync(args[1..]);
    return 0;
}

var host = args.Length > 0 ? args[0] : throw new InvalidOperationException("usage: attack HOST [SECONDS [NUMBER...]]");
var seconds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 20;
int[] numbers = args.Length > 2 ? [.. args[2..].Select(number => int.Parse(number, CultureInfo.InvariantCulture))] : [.. Enumerable.Range(1, AttackRun.Names.Count)];
var pin = OperatingSystem.IsLinux() && Environment.ProcessorCount > 1;
Console.WriteLine(pin ? "the host runs on processor 0, the attacker on the others, the neighbour where there is room" : "host, attacker and neighbour share the processor");
Console.WriteLine("bounds: at most 64 MB resident during an attack; under 1.5x of before within 30 s; a neighbour's p99 under 5x of its quiet value (of 1 ms where that is less); none of its requests fails");
var failed = 0;
foreach (var number in numbers)
{
    var result = await AttackRun.RunAsync(number, new AttackOptions(host, seconds, QuietSeconds: 5, MaxResidentMegabytes: 64, pin));
    Console.WriteLine(result);
    failed += result.Faults.Count == 0 ? 0 : 1;
}

Console.WriteLine($"{numbers.Length - failed} passed, {failed} failed");
return failed == 0 ? 0 : 1;
