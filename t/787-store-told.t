#!/usr/bin/env perl
# A store that can't be used, each way in which one can't: the server says at its start what is wrong and what to do,
# varve tier status does, too, and what is hot is served meanwhile.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $build = $ENV{builddir} // '.';
my $dir = tempdir(CLEANUP => 1);
my $n = 0;
my (@pids, @said); # a handle that goes waits for who writes to it
END { my $code = $?; kill TERM => @pids; waitpid $_, 0 for @pids; $? = $code }

# ---- stores that are told to fail so

sub s3d {
    my ($options, @faults) = @_;
    my $pid = open(my $said, '-|', "$build/t/s3d", '-b', 'cold', '-k', 'id:secret', @$options) or die "s3d: $!";
    my ($port) = <$said> =~ /^port (\d+)$/ or die 's3d does not start';
    push @pids, $pid;
    push @said, $said;
    return $port if !@faults;
    my $told = HTTP::Tiny->new(proxy => undef, http_proxy => undef)->post("http://127.0.0.1:$port/~faults",
        { content => join '', map { "fault $_ 100\n" } @faults });
    $told->{success} or die "s3d doesn't take @faults";
    return $port;
}

sub s3 {
    my ($port, @options) = @_;
    return ('tier.store.url=s3://cold/x', "tier.s3.endpoint=http://127.0.0.1:$port", 'tier.s3.credentials=' . keys_of('id', 'secret'),
        @options);
}

sub keys_of {
    my ($id, $secret) = @_;
    my $file = "$dir/keys" . ++$n;
    open(my $f, '>', $file) or die "keys: $!";
    print $f "[default]\naws_access_key_id = $id\naws_secret_access_key = $secret\n";
    close $f;
    return "file:$file";
}

# Over TLS, with a certificate for this name and so many days; it is its own authority.
sub tls {
    my ($alt, $days, $ca) = @_;
    my $cert = "$dir/tls" . ++$n;
    my $port = s3d([ '-c', "$cert.crt", '-K', "$cert.key", '-m', $alt, '-d', $days ]);
    return (s3($port), "tier.s3.endpoint=https://127.0.0.1:$port", 'tier.store.ca.file=' . ($ca // "$cert.crt"));
}

# A name node that answers everything so.
sub hdfs {
    my ($exception, $message) = @_;
    my $s = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die "listen: $!";
    my $body = qq({"RemoteException":{"exception":"$exception","javaClassName":"x","message":"$message"}});
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        while (my $c = $s->accept) {
            while (defined(my $line = <$c>)) { last if $line =~ /^\r?$/ }
            print $c "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ",
                length($body), "\r\n\r\n$body";
            close $c;
        }
        leave();
    }
    push @pids, $pid;
    return 'tier.store.url=hdfs://127.0.0.1:' . $s->sockport . '/cold';
}

# ---- bad days: what is wrong, the words that say so and what to do, the settings

my $denied = qr/not allowed: grant/;
my @days = (
    [ 'a bucket that is not there', qr/there is no bucket none: create it, or correct tier\.store\.url/,
        s3(s3d([]), 'tier.store.url=s3://none/x') ],
    [ 'a wrong secret key', qr/the secret key isn't that of the access key.*: correct what tier\.s3\.credentials names/,
        s3(s3d([]), 'tier.s3.credentials=' . keys_of('id', 'wrong')) ],
    [ 'a wrong access key', qr/the access key isn't known there: correct what tier\.s3\.credentials names/,
        s3(s3d([]), 'tier.s3.credentials=' . keys_of('nobody', 'secret')) ],
    [ 'no keys', qr/tier\.s3\.credentials: \S*none: No such file/, s3(s3d([]), "tier.s3.credentials=file:$dir/none") ],
    [ 'keys that have expired', qr/the keys have expired: put newer ones where tier\.s3\.credentials says/,
        s3(s3d([], 'ANY EXPIRED')) ],
    [ 'another region', qr/it is in region \S+: set tier\.s3\.region to that, not us-east-1/, s3(s3d([], 'ANY REGION')) ],
    [ 'a clock that is wrong', qr/the clock here says \S+, the store's \S+: set the wrong one right/,
        s3(s3d([], 'ANY SKEWED')) ],
    [ 'an authority that is not trusted', qr/tier\.store\.ca\.file must have the authority that signed/,
        tls('IP:127.0.0.1', 7, '') ],
    [ "no authority's file", qr/tier\.store\.ca\.file must be there, and in PEM/, tls('IP:127.0.0.1', 7, "$dir/none") ],
    [ 'a certificate that has expired', qr/certificate has expired; have the store's certificate renewed/,
        tls('IP:127.0.0.1', -1) ],
    [ "another host's certificate", qr/call the store by a name that its certificate has, in tier\.s3\.endpoint/,
        tls('DNS:elsewhere.example', 7) ],
    [ 'nobody there', qr/127\.0\.0\.1:1: connection refused; is the store running there\?/i, s3(1) ],
    [ 'a store that is full', qr/, or free s/, s3(s3d([], 'PUT FULL', 'PUTNEW FULL')) ],
    [ 'who may not write', qr/$denied s3:PutObject on s3:\/\/cold/, s3(s3d([], 'PUT DENIED', 'PUTNEW DENIED')) ],
    [ 'who may not read', qr/$denied s3:GetObject /, s3(s3d([], 'GET DENIED')) ],
    [ 'who may not list', qr/$denied s3:ListBucket on s3:\/\/cold/, s3(s3d([], 'LIST DENIED')) ],
    [ 'who may not delete', qr/$denied s3:DeleteObject on s3:\/\/cold/, s3(s3d([], 'DELETE DENIED', 'DELETES DENIED')) ],
    [ 'a name node that nobody reaches', qr/127\.0\.0\.1:1: connection refused; is the store running there\?/i,
        'tier.store.url=hdfs://127.0.0.1:1/cold' ],
    [ 'a name node that stands by', qr/no name node of 1 is active: make one, or name all of them in tier\.store\.url/,
        hdfs('StandbyException', 'Operation category READ is not supported in state standby') ],
    [ 'safe mode', qr/takes writes again when it leaves safe mode; `hdfs dfsadmin -safemode get` says more/,
        hdfs('SafeModeException', 'Cannot create directory. Name node is in safe mode.') ],
    [ 'a quota of HDFS', qr/raise the quota of the directory, or free space in it/,
        hdfs('DSQuotaExceededException', 'The DiskSpace quota of /cold is exceeded') ],
    [ 'who may not write in HDFS', qr/give the user rights there, or set tier\.hdfs\.user/,
        hdfs('AccessControlException', 'Permission denied: user=varve, access=WRITE, inode=/cold') ],
    [ 'a store that hangs', qr/not a byte for 500 ms; is the store overloaded, or the network\?/,
        s3(s3d([], 'ANY HANG'), 'tier.store.stall.ms=500') ],
);

my @servers = map { Varved->new(options => [ 'remote.log.storage.system.enable=true', @$_[2 .. $#$_] ]) } @days;
$_->launch for @servers;
for my $i (0 .. $#days) {
    my ($what, $words) = @{ $days[$i] };
    my $server = $servers[$i];
    if (!ok($server->is_ready, "$what: the server starts")) {
        diag($server->said('err'));
        next;
    }
    ok(wait_until(sub { $server->said('err') =~ / warn cold\.store .*$words/ }), '... and says what to do')
        or diag($server->said('err'));
    my ($status, $code);
    ok(wait_until(sub {
        ($status, $code) = run(undef, "$build/server/tool/varve", qw(tier status -b), $server->address);
        $status =~ /^\w+ fails since .*$words/m;
    }), '... as the status does') or diag($status);
    like($status, qr/^\S.*: fails/, '... which is not well') if $what ne 'a store that hangs';
    my $records = Records->new($server);
    ok($records->topic('hot', '--partitions 1') && $records->produce('hot', 10) && $records->consume('hot') == 10,
        '... while what is hot is served');
    $server->end('KILL');
}

# ---- one that hangs holds nobody up

my $port = s3d([], 'ANY HANG');
my $server = Varved->start('remote.log.storage.system.enable=true', s3($port, 'tier.store.stall.ms=86400000'));
ok(wait_until(sub { HTTP::Tiny->new(proxy => undef, http_proxy => undef)->get("http://127.0.0.1:$port/~stats")->{content}
    =~ /^struck HANG/m }), 'a request that would hang for a day');
$server->stop;
done_testing;
