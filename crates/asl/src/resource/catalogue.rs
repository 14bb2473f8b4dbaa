//! The actions Step Functions can call, and how. SOURCE: integrations.md §3 (optimised), §6 (aws-sdk), §7 (arguments).

use crate::states::Pattern;

/// Ways to call beside request-response, which every action has.
type Patterns = &'static [Pattern];

const NONE: Patterns = &[];
const SYNC: Patterns = &[Pattern::Sync];
const TOKEN: Patterns = &[Pattern::WaitForTaskToken];
const SYNC_AND_TOKEN: Patterns = &[Pattern::Sync, Pattern::WaitForTaskToken];
const ALL: Patterns = &[Pattern::Sync, Pattern::Sync2, Pattern::WaitForTaskToken];

/// Whether the action can be called in this way.
pub(super) fn knows(service: &str, action: &str, pattern: Pattern) -> bool {
    if let Some(service) = service.strip_prefix("aws-sdk:") {
        return match pattern {
            Pattern::RequestResponse | Pattern::WaitForTaskToken => is_sdk_action(service, action),
            Pattern::Sync | Pattern::Sync2 => false,
        };
    }
    let is_asked = |row: &&(&str, &[&str], Patterns)| row.0 == service && row.1.contains(&action);
    OPTIMISED.iter().find(is_asked).is_some_and(|row| pattern == Pattern::RequestResponse || row.2.contains(&pattern))
}

pub(super) fn required_arguments(service: &str, action: &str) -> &'static [&'static str] {
    match (service, action) {
        ("lambda", "invoke") => &["FunctionName"],
        ("sqs", "sendMessage") => &["QueueUrl", "MessageBody"],
        ("sns", "publish") => &["Message"],
        ("dynamodb", "putItem") => &["TableName", "Item"],
        ("dynamodb", "getItem") => &["TableName", "Key"],
        ("states", "startExecution") => &["StateMachineArn"],
        ("events", "putEvents") => &["Entries"],
        ("ecs", "runTask") => &["TaskDefinition"],
        ("glue", "startJobRun") => &["JobName"],
        _ => &[],
    }
}

/// Service, actions, and the patterns they have in common.
#[rustfmt::skip]
const OPTIMISED: &[(&str, &[&str], Patterns)] = &[
    ("lambda", &["invoke"], TOKEN),
    ("apigateway", &["invoke"], TOKEN),
    ("athena", &["startQueryExecution"], SYNC),
    ("athena", &["stopQueryExecution", "getQueryExecution", "getQueryResults"], NONE),
    ("batch", &["submitJob"], SYNC_AND_TOKEN),
    ("bedrock", &["invokeModel"], NONE),
    ("bedrock", &["createModelCustomizationJob"], SYNC_AND_TOKEN),
    ("bedrockagentcore", &["invokeHarness"], NONE),
    ("codebuild", &["startBuild", "startBuildBatch", "retryBuildBatch"], SYNC),
    ("codebuild", &["stopBuild", "stopBuildBatch", "batchDeleteBuilds", "deleteBuildBatch", "batchGetReports"], NONE),
    ("databrew", &["startJobRun"], SYNC),
    ("dynamodb", &["getItem", "putItem", "updateItem", "deleteItem"], NONE),
    ("ecs", &["runTask"], SYNC_AND_TOKEN),
    ("eks", &["call"], TOKEN),
    ("eks", &["runJob", "createCluster", "deleteCluster", "createFargateProfile", "deleteFargateProfile", "createNodegroup", "deleteNodegroup"], SYNC),
    ("elasticmapreduce", &["createCluster", "terminateCluster", "addStep"], SYNC),
    ("elasticmapreduce", &["cancelStep", "setClusterTerminationProtection", "modifyInstanceFleetByName", "modifyInstanceGroupByName"], NONE),
    ("emr-containers", &["createVirtualCluster"], NONE),
    ("emr-containers", &["deleteVirtualCluster", "startJobRun"], SYNC),
    ("emr-serverless", &["createApplication", "startApplication", "stopApplication", "deleteApplication", "startJobRun", "cancelJobRun"], SYNC),
    ("events", &["putEvents"], TOKEN),
    ("glue", &["startJobRun"], SYNC),
    ("mediaconvert", &["createJob"], SYNC),
    ("sagemaker", &["createHyperParameterTuningJob", "createLabelingJob", "createProcessingJob", "createTrainingJob", "createTransformJob"], SYNC),
    ("sagemaker", &["createEndpoint", "createEndpointConfig", "createModel", "updateEndpoint"], NONE),
    ("sns", &["publish"], TOKEN),
    ("sqs", &["sendMessage"], TOKEN),
    ("states", &["startExecution"], ALL),
    ("http", &["invoke"], NONE),
];

/// An action is known by its form: a lower-case letter, then letters and digits.
fn is_sdk_action(service: &str, action: &str) -> bool {
    let is_form = action.starts_with(|first: char| first.is_ascii_lowercase()) && action.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_form && SDK_SERVICES.split_ascii_whitespace().any(|known| known == service) && !is_withheld(service, action)
}

fn is_withheld(service: &str, action: &str) -> bool {
    match service {
        "sts" => action.starts_with("assumeRole"),
        "lambda" => matches!(action, "invokeAsync" | "invokeWithResponseStream"),
        "s3" => action == "selectObjectContent",
        "bedrockagentcore" => action == "invokeHarness",
        _ => false,
    }
}

/// The services of the AWS SDK, as resource ARNs spell them.
#[rustfmt::skip]
const SDK_SERVICES: &str = "\
sagemakera2iruntime aiops apigateway apigatewayv2 account amplify amplifybackend amplifyuibuilder appmesh \
apprunner appconfig appconfigdata appfabric appintegrations appstream appsync appflow applicationautoscaling \
applicationcostprofiler applicationdiscovery mgn athena auditmanager dsql autoscalingplans b2bi backup \
backupgateway backupsearch batch bedrock bedrockagentcore bedrockagentcorecontrol bedrockagent bedrockruntime \
bedrockagentruntime billing billingconductor bcmdashboards bcmpricingcalculator bcmrecommendedactions braket \
budgets acm acmpca chime chimesdkidentity chimesdkmediapipelines chimesdkmeetings chimesdkmessaging \
chimesdkvoice cleanrooms cleanroomsml cloudcontrol clouddirectory servicediscovery cloud9 cloudformation \
cloudfront cloudfrontkeyvaluestore cloudhsm cloudhsmv2 cloudsearch cloudtrail cloudtraildata cloudwatch \
applicationinsights applicationsignals internetmonitor cloudwatchlogs oam observabilityadmin rum synthetics \
codeartifact codebuild codecatalyst codecommit codeconnections codedeploy codeguruprofiler codegurureviewer \
codegurusecurity codepipeline codestarconnections codestarnotifications cognitoidentity cognitosync \
cognitoidentityprovider comprehend comprehendmedical computeoptimizer computeoptimizerautomation config \
connect connectcampaigns connectcampaignsv2 connectcases connectcontactlens customerprofiles connecthealth \
connectparticipant voiceid wisdom controlcatalog controltower costexplorer costoptimizationhub \
costandusagereport bedrockdataautomation bedrockdataautomationruntime dataexchange bcmdataexports dlm \
datapipeline datasync datazone databasemigration deadline detective devopsagent devopsguru devicefarm \
directconnect directory directoryservicedata docdb docdbelastic dynamodb dax dynamodbstreams ebs ec2 \
autoscaling imagebuilder ec2instanceconnect ecr ecrpublic ecs efs eks eksauth emr emrcontainers emrserverless \
elasticache elasticbeanstalk drs elasticinference elasticloadbalancing elasticloadbalancingv2 elasticsearch \
elementalinference socialmessaging entityresolution eventbridge pipes scheduler schemas fis fsx finspacedata \
finspace fms forecast forecastquery frauddetector freetier gamelift gameliftstreams glue databrew \
groundstation guardduty health medicalimaging healthlake iam accessanalyzer rolesanywhere ivs ivschat \
ivsrealtime ssmincidents ssmcontacts inspectorscan inspector2 interconnect invoicing iot iotanalytics \
iotdeviceadvisor iotevents ioteventsdata iotfleetwise greengrass greengrassv2 iotjobsdataplane \
iotmanagedintegrations iotsecuretunneling iotsitewise iotthingsgraph iottwinmaker iotwireless kms kendra \
kendraranking keyspaces keyspacesstreams kinesisanalytics kinesisanalyticsv2 firehose kinesis \
kinesisvideosignaling kinesisvideo kinesisvideoarchivedmedia kinesisvideomedia kinesisvideowebrtcstorage \
lakeformation lambda lambdacore lambdamicrovms launchwizard lexmodelsv2 lexruntimev2 licensemanager \
licensemanagerlinuxsubscriptions licensemanagerusersubscriptions lightsail location geomaps geoplaces \
georoutes lookoutequipment lookoutvision mq kafka kafkaconnect mwaa mwaaserverless macie2 mailmanager m2 \
managedblockchain managedblockchainquery grafana marketplacecatalog marketplacecommerceanalytics \
marketplacediscovery marketplaceentitlement marketplacemetering marketplacereporting mturk mediaconnect \
mediaconvert medialive mediapackage mediapackagev2 mediapackagevod mediastore mediatailor memorydb \
migrationhub migrationhubconfig migrationhuborchestrator migrationhubrefactorspaces migrationhubstrategy mpa \
neptune neptunegraph networkfirewall networkflowmonitor networkmanager networkmonitor novaact omics opensearch \
osis opensearchserverless opsworkscm odb organizations outposts panorama pcs partnercentralaccount \
partnercentralbenefits partnercentralchannel partnercentralrevenuemeasurement partnercentralselling \
paymentcryptography paymentcryptographydata personalize personalizeevents personalizeruntime pinpoint \
pinpointemail pinpointsmsvoice pinpointsmsvoicev2 polly pricing privatenetworks pcaconnectorad \
pcaconnectorscep amp proton qapps qbusiness qconnect quicksight rds rdsdata pi rtbfabric rbin redshift \
redshiftdata redshiftserverless rekognition resiliencehub resiliencehubv2 ram resourceexplorer2 resourcegroups \
resourcegroupstaggingapi route53 arcregionswitch arczonalshift route53domains route53globalresolver \
route53profiles route53recoverycontrolconfig route53recoveryreadiness route53resolver route53recoverycluster \
s3 s3control s3files glacier s3tables s3vectors s3outposts ses sesv2 sns sqs sso ssoadmin identitystore \
ssooidc swf sagemaker sagemakerfeaturestoreruntime sagemakergeospatial sagemakermetrics sagemakerruntime \
sagemakerruntimehttp2 sagemakerjobruntime savingsplans secretsmanager securityagent securityhub securityir \
securitylake sts sms serverlessapplicationrepository servicecatalog servicecatalogappregistry servicequotas \
shield signin signer signerdata simspaceweaver simpledbv2 snowdevicemanagement snowball sfn storagegateway \
supplychain support supportapp supportauthz sustainability ssm ssmguiconnect ssmquicksetup ssmsap taxsettings \
tnb textract timestreaminfluxdb timestreamquery timestreamwrite transcribe transfer translate trustedadvisor \
uxc notificationscontacts vpclattice verifiedpermissions waf wafregional wafv2 wellarchitected wickr workdocs \
workmail workmailmessageflow workspaces workspacesinstances workspacesthinclient workspacesweb xray";
